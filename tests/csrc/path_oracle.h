/*
 * A backtracking matcher of path patterns, written for plainness and not for speed: what the C checks and the
 * fuzz targets compare csrc/path_pattern and csrc/path_trie with. Exponential; give it short paths.
 */
#ifndef WIREFAST_TESTS_PATH_ORACLE_H
#define WIREFAST_TESTS_PATH_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "path_pattern.h"

static bool oracle_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Whether path[start:end] is what this token alone matches. */
static bool oracle_token(const path_token *token, const char *path, size_t start, size_t end) {
    const char *text = path + start;
    size_t size = end - start, dots = 0, digits = 0;
    switch (token->kind) {
    case PATH_LITERAL:
        return size == token->size && memcmp(text, token->text, size) == 0;
    case PATH_STR:
        return size > 0 && memchr(text, '/', size) == NULL;
    case PATH_PATH:
        return size == 0 || memchr(text, '\n', size) == NULL;
    case PATH_INT:
    case PATH_FLOAT:
        for (size_t i = 0; i < size; i++) {
            if (text[i] == '.' && token->kind == PATH_FLOAT && i > 0 && i + 1 < size)
                dots++;
            else if (!oracle_digit(text[i]))
                return false;
        }
        return size > 0 && dots <= 1;
    case PATH_UUID:
        for (size_t i = 0; i < size; i++) {
            if (text[i] == '-') {
                if (digits != 8 && digits != 12 && digits != 16 && digits != 20)
                    return false;
                if (i > 0 && text[i - 1] == '-')
                    return false;
            } else if (memchr("0123456789abcdefABCDEF", text[i], 22) != NULL) {
                digits++;
            } else {
                return false;
            }
        }
        return digits == 32;
    }
    return false;
}

static bool oracle_border(const char *path, size_t size, size_t at) {
    return at == size || ((unsigned char)path[at] & 0xC0) != 0x80;
}

/* The longest choice for each token in turn, as a greedy regular expression takes them. */
static bool oracle_match(
    const path_token *tokens, size_t count, const char *path, size_t size, size_t at, path_span *spans) {
    if (count == 0)
        return at == size || (at + 1 == size && path[at] == '\n');
    for (size_t end = size + 1; end-- > at;) {
        if (!oracle_border(path, size, end) || !oracle_token(tokens, path, at, end))
            continue;
        path_span *rest = spans;
        if (tokens->kind != PATH_LITERAL) {
            spans->start = at;
            spans->end = end;
            rest++;
        }
        if (oracle_match(tokens + 1, count - 1, path, size, end, rest))
            return true;
    }
    return false;
}

#endif
