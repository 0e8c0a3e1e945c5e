/*
 * path_pattern: matches one sequence of literals and parameters with bytes. The result is that of a backtracking
 * regular expression; the cost is always linear in the bytes.
 *
 * A token is "sure" when the start of the token determines its end (`[^/]+` before a slash, `[0-9]+` before a letter,
 * anything before the end of the pattern); path_pattern_prepare() finds the sure tokens. Up to the first token that is
 * not sure, matching is one forward pass. For the rest a table is made from right to left, one row for each
 * token j: bit i of the row says that the tokens from j on match from byte i on. The forward pass then takes the
 * longest end that the next row allows, which is the end that a greedy `re` finds.
 *
 * Cost: O(n * m) for n bytes and m tokens, plus one comparison of a literal at each byte where the rest matches.
 * Memory: the table, which the caller gives.
 */
#ifndef WIREFAST_PATH_PATTERN_H
#define WIREFAST_PATH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a token matches, as Starlette's convertors define it. */
typedef enum {
    PATH_LITERAL = 0, /* its bytes */
    PATH_STR = 1,     /* [^/]+ */
    PATH_PATH = 2,    /* .* , which excludes the newline */
    PATH_INT = 3,     /* [0-9]+ */
    PATH_FLOAT = 4,   /* [0-9]+(\.[0-9]+)? */
    PATH_UUID = 5     /* 8-4-4-4-12 hexadecimal digits, each hyphen optional */
} path_kind;

typedef struct {
    path_kind kind;
    bool sure;        /* written by path_pattern_prepare() */
    uint32_t size;    /* of a literal: bytes, at least 1; else 0 */
    const char *text; /* of a literal: valid UTF-8, in which surrogates are allowed; else unused */
} path_token;

/* The bytes [start, end) that a parameter took. */
typedef struct {
    size_t start;
    size_t end;
} path_span;

/*
 * Sets `sure` of each token. Returns how many rows the table of this sequence has: 0 when every token is sure.
 */
size_t path_pattern_prepare(path_token *tokens, size_t count);

/* Words of one row of the table for `size` bytes. */
static inline size_t path_pattern_row_words(size_t size) {
    return size / 64 + 1;
}

/*
 * Returns whether the prepared tokens match path[start:end] as a whole; with `final`, a newline as the last byte may be
 * left over. `table` has path_pattern_prepare() rows for end - start bytes and need not be cleared. `spans` receives
 * one entry per parameter, and on a mismatch may have been written in part.
 */
bool path_pattern_match(const path_token *tokens, size_t count, const char *path, size_t start, size_t end, bool final,
                        uint64_t *table, path_span *spans);

#endif
