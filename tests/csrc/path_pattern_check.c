/* path_pattern against the backtracking oracle, on random patterns and paths in buffers of the exact size. */
#include <stdio.h>
#include <stdlib.h>

#include "path_oracle.h"

static unsigned seed = 20260101u;

static unsigned random_below(unsigned limit) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static void fail(const char *what, const path_token *tokens, size_t count, const char *path, size_t size) {
    printf("%s: ", what);
    for (size_t j = 0; j < count; j++)
        tokens[j].kind == PATH_LITERAL ? (void)printf("'%.*s' ", (int)tokens[j].size, tokens[j].text)
                                       : (void)printf("<%d> ", (int)tokens[j].kind);
    printf("on '%.*s'\n", (int)size, path);
    exit(1);
}

/* Whether the path matches; the oracle has to agree, in the spans too. */
static bool compare(const path_token *tokens, size_t count, size_t rows, const char *built) {
    size_t size = strlen(built);
    char *path = malloc(size > 0 ? size : 1);
    uint64_t *table = malloc(rows > 0 ? rows * path_pattern_row_words(size) * sizeof *table : 1);
    path_span spans[7], expected[7];
    if (path == NULL || table == NULL)
        exit(2);
    memcpy(path, built, size);
    memset(table, 0xA5, rows * path_pattern_row_words(size) * sizeof *table);

    bool answer = path_pattern_match(tokens, count, path, 0, size, true, table, spans);
    if (answer != oracle_match(tokens, count, path, size, 0, expected))
        fail(answer ? "matched" : "did not match", tokens, count, path, size);
    for (size_t j = 0, params = 0; answer && j < count; j++) {
        if (tokens[j].kind == PATH_LITERAL)
            continue;
        if (spans[params].start != expected[params].start || spans[params].end != expected[params].end)
            fail("other spans", tokens, count, path, size);
        params++;
    }
    free(path);
    free(table);
    return answer;
}

/* What the random rounds do not meet. */
static void check_known(void) {
    static const char hyphen[] = "-";
    static const char *const ids[] = {"01234567", "0123ABCD-0123-0123-0123-0123456789AB", "0123ABCG0123012301230123456789AB",
                                      "0123ABCD012301230123456789ABCDEF-", "0123abcd-", "/"};
    path_token uuid[2] = {{.kind = PATH_UUID}, {.kind = PATH_LITERAL, .text = hyphen, .size = 1}};
    path_token unknown[2] = {{.kind = (path_kind)9}, {.kind = PATH_LITERAL, .text = hyphen, .size = 1}};
    path_span span;
    uint64_t table[3];
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        for (size_t count = 1; count <= 2; count++)
            (void)compare(uuid, count, path_pattern_prepare(uuid, count), ids[i]);
    }
    for (size_t count = 1; count <= 2; count++) {
        size_t rows = path_pattern_prepare(unknown, count);
        if (rows > 3 || path_pattern_match(unknown, count, hyphen, 0, 1, true, table, &span))
            fail("an unknown kind matched", unknown, count, hyphen, 1);
    }
}

int main(void) {
    static const char *const pieces[] = {"/", "-", ".", "a", "1", "12", "\n", "\xc3\xa9", "-/", "1.5", "\xe2\x82\xac",
                                         "0123abcd-0123-0123-0123-0123456789ab"};
    static const char *const literals[] = {"/", "-", ".", ".x", "a/", "1", "\xc3\xa9", "/-", "\n"};
    unsigned matched = 0;
    check_known();

    for (unsigned round = 0; round < 40000; round++) {
        path_token tokens[7];
        size_t count = random_below(8);
        for (size_t j = 0; j < count; j++) {
            unsigned kind = j > 0 && tokens[j - 1].kind == PATH_LITERAL ? 1 + random_below(5) : random_below(9);
            const char *text = literals[random_below(sizeof literals / sizeof *literals)];
            tokens[j] = (path_token){.kind = kind > 5 ? PATH_LITERAL : (path_kind)kind};
            if (tokens[j].kind == PATH_LITERAL) {
                tokens[j].text = text;
                tokens[j].size = (uint32_t)strlen(text);
            }
        }
        size_t rows = path_pattern_prepare(tokens, count);

        char built[400] = "";
        if (random_below(2)) {
            for (unsigned pieces_left = random_below(10); pieces_left > 0; pieces_left--)
                strcat(built, pieces[random_below(sizeof pieces / sizeof *pieces)]);
        } else {
            for (size_t j = 0; j < count; j++) {
                if (tokens[j].kind == PATH_LITERAL)
                    strcat(built, tokens[j].text);
                else if (tokens[j].kind == PATH_UUID)
                    strcat(built, pieces[11]);
                else
                    for (unsigned left = 1 + random_below(3); left > 0; left--)
                        strcat(built, pieces[tokens[j].kind >= PATH_INT ? 4 + random_below(2) : random_below(9)]);
            }
            if (random_below(4) == 0)
                strcat(built, "\n");
        }
        matched += compare(tokens, count, rows, built);
    }
    if (matched < 4000)
        return 3;
    printf("40000 checks passed, %u matches\n", matched);
    return 0;
}
