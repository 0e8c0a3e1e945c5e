#include "path_pattern.h"

#include <string.h>

/* No such position. */
#define NOWHERE SIZE_MAX

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_hex(char byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* Whether a UTF-8 character may begin with this byte. */
static bool is_boundary(char byte) {
    return ((unsigned char)byte & 0xC0) != 0x80;
}

/* The position of the first `stop` in path[start:end], or end. */
static size_t find_byte(const char *path, size_t start, size_t end, char stop) {
    const char *found = start < end ? memchr(path + start, stop, end - start) : NULL;
    return found == NULL ? end : (size_t)(found - path);
}

static size_t skip_digits(const char *path, size_t start, size_t end) {
    while (start < end && is_digit(path[start]))
        start++;
    return start;
}

/* The end of the UUID at `start`. A hyphen is no hexadecimal digit, so a UUID has only one possible end. */
static size_t uuid_end(const char *path, size_t start, size_t end) {
    static const unsigned char groups[5] = {8, 4, 4, 4, 12};
    size_t at = start;
    for (size_t group = 0; group < 5; group++) {
        if (group > 0 && at < end && path[at] == '-')
            at++;
        for (unsigned char digit = 0; digit < groups[group]; digit++, at++) {
            if (at == end || !is_hex(path[at]))
                return NOWHERE;
        }
    }
    return at;
}

static bool literal_at(const path_token *token, const char *path, size_t start, size_t end) {
    return end - start >= token->size && memcmp(path + start, token->text, token->size) == 0;
}

/* The longest end of a token that starts at `start`, regardless of what follows. */
static size_t run_end(const path_token *token, const char *path, size_t start, size_t end) {
    size_t at;
    switch (token->kind) {
    case PATH_LITERAL:
        return literal_at(token, path, start, end) ? start + token->size : NOWHERE;
    case PATH_STR:
        at = find_byte(path, start, end, '/');
        break;
    case PATH_PATH:
        return find_byte(path, start, end, '\n');
    case PATH_INT:
        at = skip_digits(path, start, end);
        break;
    case PATH_FLOAT:
        at = skip_digits(path, start, end);
        if (at > start && end - at >= 2 && path[at] == '.' && is_digit(path[at + 1]))
            at = skip_digits(path, at + 1, end);
        break;
    case PATH_UUID:
        return uuid_end(path, start, end);
    default:
        return NOWHERE;
    }
    return at > start ? at : NOWHERE;
}

static bool is_sure(const path_token *token, const path_token *next) {
    if (next == NULL || token->kind == PATH_LITERAL || token->kind == PATH_UUID)
        return true;
    if (next->kind != PATH_LITERAL)
        return false;
    switch (token->kind) {
    case PATH_STR:
        return next->text[0] == '/';
    case PATH_INT:
        return !is_digit(next->text[0]);
    case PATH_FLOAT:
        return !is_digit(next->text[0]) && next->text[0] != '.';
    default:
        return false;
    }
}

size_t path_pattern_prepare(path_token *tokens, size_t count) {
    size_t rows = 0;
    for (size_t j = 0; j < count; j++) {
        tokens[j].sure = is_sure(&tokens[j], j + 1 < count ? &tokens[j + 1] : NULL);
        if (!tokens[j].sure && rows == 0)
            rows = count - j + 1;
    }
    return rows;
}

static bool has_bit(const uint64_t *row, size_t bit) {
    return (row[bit / 64] >> (bit % 64)) & 1;
}

static void set_bit(uint64_t *row, size_t bit) {
    row[bit / 64] |= (uint64_t)1 << (bit % 64);
}

/* The last bit set in row[first..last], both included, or NOWHERE. */
static size_t last_bit(const uint64_t *row, size_t first, size_t last) {
    size_t word = last / 64;
    uint64_t bits = row[word] & (UINT64_MAX >> (63 - last % 64));
    while (bits == 0 && word > first / 64)
        bits = row[--word];
    if (bits == 0)
        return NOWHERE;
    size_t bit = 63;
    while ((bits >> bit) == 0)
        bit--;
    bit += word * 64;
    return bit >= first ? bit : NOWHERE;
}

/*
 * Makes the row of a token from the row of the next token; bit i stands for text[i]. Only STR and PATH check the
 * borders of characters: what the other kinds match begins and ends with an ASCII character or a whole literal.
 */
static void fill_row(const path_token *token, const char *text, size_t size, const uint64_t *next, uint64_t *row) {
    bool open = false; /* a match of the token that began further left may still continue here */
    bool fraction = false;
    bool after_dot = false;
    memset(row, 0, path_pattern_row_words(size) * sizeof *row);
    switch (token->kind) {
    case PATH_LITERAL:
        if (size < token->size)
            break;
        for (size_t i = size - token->size + 1; i-- > 0;) {
            if (has_bit(next, i + token->size) && memcmp(text + i, token->text, token->size) == 0)
                set_bit(row, i);
        }
        break;
    case PATH_STR:
        for (size_t i = size; i-- > 0;) {
            open = text[i] != '/' && (open || has_bit(next, i + 1));
            if (open && is_boundary(text[i]))
                set_bit(row, i);
        }
        break;
    case PATH_PATH:
        open = has_bit(next, size);
        if (open)
            set_bit(row, size);
        for (size_t i = size; i-- > 0;) {
            open = (open && text[i] != '\n') || has_bit(next, i);
            if (open && is_boundary(text[i]))
                set_bit(row, i);
        }
        break;
    case PATH_INT:
        for (size_t i = size; i-- > 0;) {
            open = is_digit(text[i]) && (open || has_bit(next, i + 1));
            if (open)
                set_bit(row, i);
        }
        break;
    case PATH_FLOAT:
        /* `fraction`: [0-9]+ and the next tokens match from i on; `after_dot`: so do \.[0-9]+ and they. */
        for (size_t i = size; i-- > 0;) {
            bool digit = is_digit(text[i]);
            open = digit && (open || after_dot || has_bit(next, i + 1));
            after_dot = text[i] == '.' && fraction;
            fraction = digit && (fraction || has_bit(next, i + 1));
            if (open)
                set_bit(row, i);
        }
        break;
    case PATH_UUID:
        /* A UUID has 32 digits and at most 4 hyphens: read them only where the next row allows one of its ends. */
        for (size_t i = size < 32 ? 0 : size - 31; i-- > 0;) {
            if (last_bit(next, i + 32, size - i < 36 ? size : i + 36) == NOWHERE)
                continue;
            size_t at = uuid_end(text, i, size);
            if (at != NOWHERE && has_bit(next, at))
                set_bit(row, i);
        }
        break;
    }
}

/*
 * The longest end of a token that is not sure, from which the next tokens match. The bit of `start` is set in the
 * token's own row, so the token matches from `start` and has such an end.
 */
static size_t chosen_end(const path_token *token, const char *text, size_t start, size_t size, const uint64_t *next) {
    size_t longest = run_end(token, text, start, size);
    if (token->kind == PATH_FLOAT) {
        size_t dot = skip_digits(text, start, longest);
        size_t at = dot < longest ? last_bit(next, dot + 2, longest) : NOWHERE;
        return at != NOWHERE ? at : last_bit(next, start + 1, dot);
    }
    return last_bit(next, token->kind == PATH_PATH ? start : start + 1, longest);
}

static bool newline_left(const char *path, size_t at, size_t end, bool final) {
    return final && end - at == 1 && path[at] == '\n';
}

static bool ends_with(const path_token *token, const char *path, size_t start, size_t end, bool final) {
    size_t size = end - start;
    if (size >= token->size && literal_at(token, path, end - token->size, end))
        return true;
    return size > token->size && newline_left(path, end - 1, end, final) &&
           literal_at(token, path, end - 1 - token->size, end);
}

/* Fills the rows of tokens[0:count] over path[start:end]; the last row is that of the end of the pattern. */
static void fill_table(const path_token *tokens, size_t count, const char *path, size_t start, size_t end, bool final,
                       uint64_t *table) {
    size_t size = end - start;
    size_t words = path_pattern_row_words(size);
    uint64_t *row = table + count * words;
    memset(row, 0, words * sizeof *row);
    set_bit(row, size);
    if (size > 0 && newline_left(path, end - 1, end, final))
        set_bit(row, size - 1);
    for (size_t j = count; j-- > 0; row -= words)
        fill_row(&tokens[j], path + start, size, row, row - words);
}

bool path_pattern_match(const path_token *tokens, size_t count, const char *path, size_t start, size_t end, bool final,
                        uint64_t *table, path_span *spans) {
    size_t at = start;
    size_t first = count; /* the token of the first row, once the table exists */
    size_t base = 0;      /* the byte of its first column */
    size_t words = 0;

    for (size_t j = 0; j < count; j++) {
        const path_token *token = &tokens[j];
        size_t stop;
        if (token->sure) {
            stop = run_end(token, path + base, at - base, end - base);
        } else {
            if (first == count) {
                if (tokens[count - 1].kind == PATH_LITERAL && !ends_with(&tokens[count - 1], path, at, end, final))
                    return false;
                fill_table(tokens + j, count - j, path, at, end, final, table);
                if (!has_bit(table, 0))
                    return false;
                first = j;
                base = at;
                words = path_pattern_row_words(end - at);
            }
            stop = chosen_end(token, path + base, at - base, end - base, table + (j - first + 1) * words);
        }
        if (stop == NOWHERE)
            return false;
        stop += base;
        if (token->kind != PATH_LITERAL) {
            spans->start = at;
            spans->end = stop;
            spans++;
        }
        at = stop;
    }
    return at == end || newline_left(path, at, end, final);
}
