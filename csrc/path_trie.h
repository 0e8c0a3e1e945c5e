/*
 * path_trie: which of many URL path patterns, in the order they were declared, matches a path first.
 *
 * Supported. A pattern is a sequence of literal byte runs and parameters of five kinds; it means what
 * Starlette's compile_path() makes of the same sequence with Python's `re`: anchored at both ends,
 * captures by leftmost-greedy backtracking, a final newline of the path ignorable as `$` ignores it,
 * no capture border inside a UTF-8 character (a surrogate encoded as three bytes counts as one).
 *
 * Unsupported. Other regular expressions, case-insensitive matching, removal of a pattern.
 *
 * Cost. A pattern is cut at its slashes. Literal segments are edges found by hash; segments with
 * parameters are edges that equal segments share, found by hash of their literal start; from the
 * first segment with a PATH parameter on, the rest of the pattern is one edge. A match walks these edges
 * and leaves out every subtree that holds no better pattern, so that the number of
 * patterns does not show as long as they differ in their literals. One edge costs
 * at most O(n * m) for n bytes and m tokens: nothing backtracks, a token sequence that
 * `re` would search by trial is decided by a table "the tokens from j on match from byte i on".
 *
 * Ownership. Texts given to path_trie_add() are copied. After the last addition the trie is read-only
 * and may be matched from several threads at once. A match allocates nothing: the caller
 * gives its working memory and its result array.
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

/* Limits of one pattern, so that recursion and working memory have a bound that no path can move. */
#define PATH_TRIE_MAX_TOKENS 512u
#define PATH_TRIE_MAX_SLASHES 512u
#define PATH_TRIE_MAX_TEXT 65536u

/* And of all patterns together. */
#define PATH_TRIE_MAX_PATTERNS 1000000u

/* path_trie_match() when no pattern matches. */
#define PATH_TRIE_NONE UINT32_MAX

/* An empty trie, or NULL when there is no memory. */
path_trie *path_trie_new(void);

/* Frees the trie; NULL is allowed. */
void path_trie_free(path_trie *trie);

/*
 * Adds a pattern of `count` tokens under `index`, which must be greater than every index added before and
 * below PATH_TRIE_NONE. No tokens at all is the pattern of the empty path. 
 */
path_trie_status path_trie_add(path_trie *trie, uint32_t index, const path_token *tokens, size_t count);

/* The largest number of parameters in one pattern: how many spans a match may write. */
size_t path_trie_max_params(const path_trie *trie);

/*
 * Bytes of working memory that a match of a path of `size` bytes needs: 16 per parameter, and for
 * tries with an ambiguous pattern one bit per byte of the path and token. SIZE_MAX when that
 * number has no size_t; no allocator will give it.
 */
size_t path_trie_work_size(const path_trie *trie, size_t size);

/*
 * The smallest index >= `lowest` whose pattern matches path[0:size], or PATH_TRIE_NONE. `work` is
 * path_trie_work_size() bytes aligned for uint64_t; `spans` has path_trie_max_params() entries, of
 * which the winner's come first, one per parameter in pattern order. `path` is UTF-8; bytes that
 * are not do no harm, but where captures may end in them is not said.
 */
uint32_t path_trie_match(const path_trie *trie, const char *path, size_t size, uint32_t lowest, void *work,
                         path_span *spans);

#endif
