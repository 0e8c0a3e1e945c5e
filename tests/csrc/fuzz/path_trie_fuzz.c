/*
 * A table of patterns and a path, both from the input, against the first pattern that the backtracking
 * oracle matches. The first byte says how many patterns follow; each is a count of tokens and the tokens,
 * a literal with its length before it; what is left is the path: as it is
 * for a run of which only the safety counts, then as UTF-8, each byte from 0x80 on being a character.
 */
#include "path_trie.h"

#include <stdlib.h>

#include "path_oracle.h"

#define MOST_PATTERNS 8
#define MOST_TOKENS 6

/* The oracle backtracks, and the fuzzer would find its worst cases in longer paths. */
#define MOST_PATH 24

typedef struct {
    const uint8_t *at;
    size_t left;
} input;

static uint8_t take(input *in) {
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static path_token patterns[MOST_PATTERNS][MOST_TOKENS];
static size_t counts[MOST_PATTERNS];

static void compare(
    uint32_t found, uint32_t lowest, size_t table, const char *path, size_t length, const path_span *spans,
    const bool *added) {
    uint32_t expected = PATH_TRIE_NONE;
    path_span wanted[MOST_TOKENS];
    for (uint32_t k = lowest; k < table && expected == PATH_TRIE_NONE; k++) {
        if (added[k] && oracle_match(patterns[k], counts[k], path, length, 0, wanted))
            expected = k;
    }
    if (found != expected)
        abort();
    for (size_t j = 0, param = 0; found != PATH_TRIE_NONE && j < counts[found]; j++) {
        if (patterns[found][j].kind == PATH_LITERAL)
            continue;
        if (spans[param].start != wanted[param].start || spans[param].end != wanted[param].end)
            abort();
        param++;
    }
}

/* Asks for every match in turn; with `added`, compares each with the oracle's. */
static void match_all(const path_trie *trie, size_t table, const char *text, size_t length, const bool *added) {
    char *path = malloc(length > 0 ? length : 1);
    size_t need = path_trie_work_size(trie, length);
    size_t params = path_trie_max_params(trie);
    void *work = malloc(need > 0 ? need : 1);
    path_span *spans = malloc(params > 0 ? params * sizeof *spans : 1);
    if (path == NULL || work == NULL || spans == NULL)
        abort();
    if (length > 0)
        memcpy(path, text, length);
    uint32_t lowest = 0;
    for (;;) {
        uint32_t found = path_trie_match(trie, path, length, lowest, work, spans);
        if (added != NULL && length <= MOST_PATH)
            compare(found, lowest, table, path, length, spans, added);
        if (found == PATH_TRIE_NONE)
            break;
        lowest = found + 1;
    }
    free(path);
    free(work);
    free(spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    char texts[MOST_PATTERNS][MOST_TOKENS][8];
    bool added[MOST_PATTERNS];
    size_t table = 1 + take(&in) % MOST_PATTERNS;
    path_trie *trie = path_trie_new();
    if (trie == NULL)
        abort();

    for (size_t k = 0; k < table; k++) {
        counts[k] = take(&in) % (MOST_TOKENS + 1);
        for (size_t j = 0; j < counts[k]; j++) {
            uint8_t kind = take(&in);
            patterns[k][j] = (path_token){.kind = (path_kind)(kind % 6)};
            if (patterns[k][j].kind != PATH_LITERAL)
                continue;
            patterns[k][j].size = kind / 6 % 8;
            patterns[k][j].text = texts[k][j];
            for (uint32_t i = 0; i < patterns[k][j].size; i++)
                texts[k][j][i] = (char)(take(&in) & 0x7F);
        }
        added[k] = path_trie_add(trie, (uint32_t)k, patterns[k], counts[k]) == PATH_TRIE_OK;
    }

    match_all(trie, table, (const char *)in.at, in.left, NULL);
    char *text = malloc(2 * in.left + 1);
    size_t length = 0;
    if (text == NULL)
        abort();
    for (size_t i = 0; i < in.left; i++) {
        if (in.at[i] >= 0x80)
            text[length++] = (char)(0xC0 | in.at[i] >> 6);
        text[length++] = (char)(in.at[i] >= 0x80 ? 0x80 | (in.at[i] & 0x3F) : in.at[i]);
    }
    match_all(trie, table, text, length, added);
    free(text);
    path_trie_free(trie);
    return 0;
}
