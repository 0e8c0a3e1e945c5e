/*
 * path_trie: which of many URL path patterns, in the order they were declared, matches a path first.
 *
 * Supported. A pattern is a sequence of literal byte runs and parameters of five kinds. It matches what the regular
 * expression of Starlette's compile_path() for the same sequence matches in Python: anchored at both ends, captures by
 * leftmost-greedy backtracking, an optional final newline as with `$`, no capture border inside a UTF-8 character (a
 * surrogate encoded as three bytes counts as one).
 *
 * Unsupported. Other regular expressions, case-insensitive matching, removal of a pattern.
 *
 * Cost. A pattern is cut at its slashes. A literal segment is an edge, which a hash finds. Segments with parameters are
 * edges that equal segments share; a hash of the literal start finds them. From the first segment with a PATH parameter
 * on, the rest of the pattern is one edge. A match walks these edges and leaves out every subtree that has no better
 * pattern, so that the number of patterns costs nothing where their literals differ. One edge costs at most O(n * m)
 * for n bytes and m tokens. Nothing
 * backtracks: where `re` would try one way after another, a table says that "the tokens from j on match from byte i
 * on".
 *
 * Ownership. Texts given to path_trie_add() are copied. After the last addition the trie is read-only
 * and several threads may match at once. A match allocates nothing: the caller gives its working memory and its result
 * array.
 */
#ifndef WIREFAST_PATH_TRIE_H
#define WIREFAST_PATH_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "path_pattern.h"

typedef struct path_trie path_trie;

typedef enum {
    PATH_TRIE_OK = 0,
    PATH_TRIE_NO_MEMORY = -1, /* the trie may now only be freed */
    PATH_TRIE_TOO_LONG = -2,  /* the pattern is beyond the limits below; the trie is as before */
    PATH_TRIE_INVALID = -3    /* an empty literal, two in a row, or an index too small; the trie is as before */
} path_trie_status;

/* Limits of one pattern. They bound recursion and working memory for every path. */
#define PATH_TRIE_MAX_TOKENS 512u
#define PATH_TRIE_MAX_SLASHES 512u
#define PATH_TRIE_MAX_TEXT 65536u

/* The limit of all patterns together. */
#define PATH_TRIE_MAX_PATTERNS 1000000u

/* What path_trie_match() returns when no pattern matches. */
#define PATH_TRIE_NONE UINT32_MAX

/* An empty trie, or NULL when there is no memory. */
path_trie *path_trie_new(void);

/* Frees the trie; NULL is allowed. */
void path_trie_free(path_trie *trie);

/*
 * Adds a pattern of `count` tokens under `index`, which must be greater than every index added before and
 * below PATH_TRIE_NONE. A pattern without tokens is that of the empty path.
 */
path_trie_status path_trie_add(path_trie *trie, uint32_t index, const path_token *tokens, size_t count);

/* The largest number of parameters of a pattern: a match writes at most so many spans. */
size_t path_trie_max_params(const path_trie *trie);

/*
 * Bytes of working memory that a match of a path of `size` bytes needs: 16 per parameter, and for
 * tries with an ambiguous pattern one bit per byte of the path and token. SIZE_MAX when that
 * number exceeds size_t, which no allocator gives.
 */
size_t path_trie_work_size(const path_trie *trie, size_t size);

/*
 * The smallest index >= `lowest` whose pattern matches path[0:size], or PATH_TRIE_NONE. `work` is
 * path_trie_work_size() bytes aligned for uint64_t; `spans` has path_trie_max_params() entries, of
 * which the first are those of the found pattern, one for each parameter in order. `path` is UTF-8. Bytes that are not
 * UTF-8 do no harm, but where captures end in them is not defined.
 */
uint32_t path_trie_match(const path_trie *trie, const char *path, size_t size, uint32_t lowest, void *work,
                         path_span *spans);

#endif
