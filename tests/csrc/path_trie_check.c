/* path_trie against the first pattern in order that the backtracking oracle matches, and its limits. */
#include "path_trie.h"

#include <stdio.h>
#include <stdlib.h>

#include "path_oracle.h"

#define MOST 12

static unsigned seed = 20260102u;

static unsigned random_below(unsigned limit) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static void require(bool holds, const char *what) {
    if (!holds) {
        printf("not so: %s\n", what);
        exit(1);
    }
}

typedef struct {
    path_token tokens[8];
    size_t count;
} pattern;

static const char *const literals[] = {"/", "/a", "/a/", "/b-", "/b/a", ".x", "-", "/-/", "//", "\xc3\xa9", "/a\n"};

static pattern random_pattern(void) {
    pattern made = {.count = random_below(7)};
    for (size_t j = 0; j < made.count; j++) {
        bool literal = j == 0 || (made.tokens[j - 1].kind != PATH_LITERAL && random_below(4));
        const char *text = literals[random_below(sizeof literals / sizeof *literals)];
        made.tokens[j] = (path_token){.kind = literal ? PATH_LITERAL : (path_kind)(1 + random_below(4))};
        if (literal) {
            made.tokens[j].text = text;
            made.tokens[j].size = (uint32_t)strlen(text);
        }
    }
    return made;
}

static void check_tables(void) {
    static const char *const pieces[] = {"/", "/a", "/b", "-", ".x", "1", "1.5", "\n", "\xc3\xa9", "/-", "z"};
    unsigned matched = 0;
    for (unsigned round = 0; round < 4000; round++) {
        pattern patterns[MOST];
        uint32_t indexes[MOST];
        uint32_t index = 0;
        path_trie *trie = path_trie_new();
        require(trie != NULL, "memory for a trie");
        for (size_t k = 0; k < MOST; k++) {
            patterns[k] = k > 0 && random_below(5) == 0 ? patterns[k - 1] : random_pattern();
            indexes[k] = index;
            require(
                path_trie_add(trie, index, patterns[k].tokens, patterns[k].count) == PATH_TRIE_OK,
                "a pattern is added");
            index += 1 + random_below(3);
        }
        for (unsigned tries = 0; tries < 12; tries++) {
            char built[200] = "";
            const pattern *model = &patterns[random_below(MOST)];
            for (size_t j = 0; j < model->count; j++) {
                if (model->tokens[j].kind == PATH_LITERAL)
                    strcat(built, model->tokens[j].text);
                else
                    for (unsigned left = 1 + random_below(3); left > 0; left--)
                        strcat(built, pieces[model->tokens[j].kind >= PATH_INT ? 5 : random_below(11)]);
            }
            if (random_below(3) == 0)
                strcat(built, pieces[random_below(11)]);
            size_t size = strlen(built);
            char *path = malloc(size > 0 ? size : 1);
            size_t need = path_trie_work_size(trie, size);
            size_t most = path_trie_max_params(trie);
            void *work = malloc(need > 0 ? need : 1);
            path_span *spans = malloc(most > 0 ? most * sizeof *spans : 1);
            require(path != NULL && work != NULL && spans != NULL, "memory for a match");
            memcpy(path, built, size);

            uint32_t lowest = random_below(4) == 0 ? random_below(index + 2) : 0;
            uint32_t expected = PATH_TRIE_NONE;
            path_span wanted[8];
            size_t winner = 0;
            for (size_t k = 0; k < MOST && expected == PATH_TRIE_NONE; k++) {
                if (indexes[k] >= lowest &&
                    oracle_match(patterns[k].tokens, patterns[k].count, path, size, 0, wanted)) {
                    expected = indexes[k];
                    winner = k;
                }
            }
            require(path_trie_match(trie, path, size, lowest, work, spans) == expected, "the first match is found");
            if (expected != PATH_TRIE_NONE) {
                matched++;
                for (size_t j = 0, params = 0; j < patterns[winner].count; j++) {
                    if (patterns[winner].tokens[j].kind == PATH_LITERAL)
                        continue;
                    require(
                        spans[params].start == wanted[params].start && spans[params].end == wanted[params].end,
                        "its spans are those of a greedy expression");
                    params++;
                }
            }
            free(path);
            free(work);
            free(spans);
        }
        path_trie_free(trie);
    }
    require(matched > 20000, "enough of the paths match");
    printf("%u matches, ", matched);
}

static void check_limits(void) {
    path_trie *trie = path_trie_new();
    path_span spans[1];
    path_token many[PATH_TRIE_MAX_TOKENS + 1];
    char slashes[PATH_TRIE_MAX_SLASHES + 1];
    path_token literal = {.kind = PATH_LITERAL, .text = slashes, .size = sizeof slashes};
    path_token twice[2];
    require(trie != NULL, "memory for a trie");
    require(path_trie_match(trie, "/", 1, 0, NULL, spans) == PATH_TRIE_NONE, "an empty trie matches nothing");

    for (size_t j = 0; j < sizeof many / sizeof *many; j++)
        many[j] = (path_token){.kind = PATH_STR};
    memset(slashes, '/', sizeof slashes);
    require(path_trie_add(trie, 3, many, PATH_TRIE_MAX_TOKENS + 1) == PATH_TRIE_TOO_LONG, "tokens have a limit");
    require(path_trie_add(trie, 3, &literal, 1) == PATH_TRIE_TOO_LONG, "slashes have a limit");
    literal.size--;
    require(path_trie_add(trie, 3, &literal, 1) == PATH_TRIE_OK, "the limit itself is allowed");
    require(path_trie_add(trie, 3, &literal, 1) == PATH_TRIE_INVALID, "indexes ascend");
    twice[0] = twice[1] = literal;
    require(path_trie_add(trie, 4, twice, 2) == PATH_TRIE_INVALID, "literals do not adjoin");
    twice[0].kind = (path_kind)9;
    require(path_trie_add(trie, 4, twice, 1) == PATH_TRIE_INVALID, "a kind is one of the six");
    require(path_trie_add(trie, PATH_TRIE_NONE, &literal, 1) == PATH_TRIE_INVALID, "an index is below NONE");
    literal.size = 0;
    require(path_trie_add(trie, 4, &literal, 1) == PATH_TRIE_INVALID, "a literal is not empty");
    literal.size = PATH_TRIE_MAX_TEXT + 1;
    require(path_trie_add(trie, 4, &literal, 1) == PATH_TRIE_TOO_LONG, "text has a limit");
    require(
        path_trie_match(trie, slashes, sizeof slashes - 1, 0, NULL, spans) == 3,
        "a refused pattern leaves the trie as it was");
    require(path_trie_match(trie, slashes, sizeof slashes - 1, 4, NULL, spans) == PATH_TRIE_NONE, "from 4 on, none");
    require(path_trie_add(trie, 9, many, PATH_TRIE_MAX_TOKENS) == PATH_TRIE_OK, "512 parameters are allowed");
    require(path_trie_work_size(trie, SIZE_MAX - 64) == SIZE_MAX, "a need without a size_t is SIZE_MAX");
    path_trie_free(trie);
    path_trie_free(NULL);
}

int main(void) {
    check_tables();
    check_limits();
    printf("all checks passed\n");
    return 0;
}
