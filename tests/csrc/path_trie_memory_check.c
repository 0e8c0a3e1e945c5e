/* path_trie when there is no memory: every allocation of a build fails once, is reported, and nothing leaks. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned allowed;

static bool refuse(void) {
    if (allowed == 0)
        return true;
    allowed--;
    return false;
}

static void *try_malloc(size_t size) {
    return refuse() ? NULL : malloc(size);
}

static void *try_calloc(size_t count, size_t size) {
    return refuse() ? NULL : calloc(count, size);
}

static void *try_realloc(void *old, size_t size) {
    return refuse() ? NULL : realloc(old, size);
}

#define malloc try_malloc
#define calloc try_calloc
#define realloc try_realloc
#include "path_trie.c" /* the source itself, so that its allocations are ours */

/* Adds patterns of every shape until one is refused. */
static path_trie_status build(path_trie *trie) {
    for (uint32_t index = 0; index < 120; index++) {
        char text[] = "/aa/b";
        text[1] = (char)('a' + index % 26);
        text[2] = (char)('a' + index / 26);
        path_token tokens[3] = {
            {.kind = PATH_LITERAL, .text = text, .size = 5},
            {.kind = index % 2 ? PATH_STR : PATH_PATH},
            {.kind = PATH_LITERAL, .text = text, .size = 1 + index % 5},
        };
        path_trie_status status = path_trie_add(trie, index, tokens, 1 + index % 3);
        if (status != PATH_TRIE_OK)
            return status;
    }
    return PATH_TRIE_OK;
}

int main(void) {
    for (unsigned limit = 0;; limit++) {
        allowed = limit;
        path_trie *trie = path_trie_new();
        if (trie == NULL) {
            if (limit > 1)
                return 1;
            continue;
        }
        path_trie_status status = build(trie);
        path_trie_free(trie);
        if (status == PATH_TRIE_OK) {
            printf("%u allocations, all checks passed\n", limit);
            return limit < 120;
        }
        if (status != PATH_TRIE_NO_MEMORY)
            return 1;
    }
}
