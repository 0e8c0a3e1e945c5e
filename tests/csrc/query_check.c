/* query: known answers, then random bytes in buffers of the exact size, where only bounds and progress are checked. */
#include "query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(bool holds, const char *what, const char *text) {
    if (!holds) {
        printf("not so: %s, for %s\n", what, text);
        exit(1);
    }
}

/* A copy whose last byte is followed by what the sanitizer guards. */
static char *exact(const char *text, size_t size) {
    char *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        exit(2);
    memcpy(copy, text, size);
    return copy;
}

typedef bool next_pair(query_cursor *cursor, query_text *name, query_text *value);
typedef size_t decoder(const query_text *piece, char *out, size_t room);

/* Decodes into `room` bytes exactly; also tries one byte less, which must be refused. */
static size_t decode(decoder *decode_into, const query_text *piece, char *answer, size_t most) {
    size_t size = decode_into(piece, answer, most);
    require(size != QUERY_NO_ROOM, "the room that the header promises is enough", piece->text);
    char *tight = exact("", 0);
    tight = realloc(tight, size > 0 ? size : 1);
    if (tight == NULL)
        exit(2);
    require(decode_into(piece, tight, size) == size, "the exact room is enough", piece->text);
    require(memcmp(tight, answer, size) == 0, "the same is written", piece->text);
    for (size_t less = size; less-- > 0 && size - less < 4;)
        require(decode_into(piece, tight, less) == QUERY_NO_ROOM, "less room is refused", piece->text);
    free(tight);
    return size;
}

/* The pairs of `text`, written out as [name|value]... */
static void list_pairs(next_pair *next, decoder *decode_into, bool cookies, const char *text, size_t size, char *out) {
    char *copy = exact(text, size);
    query_cursor cursor = {copy, copy + size};
    query_text pair[2];
    while (next(&cursor, &pair[0], &pair[1])) {
        for (int i = 0; i < 2; i++) {
            require(pair[i].text >= copy && pair[i].text + pair[i].size <= copy + size, "a piece lies inside", text);
            *out++ = i == 0 ? '[' : '|';
            if (cookies && !pair[i].escaped) {
                memcpy(out, pair[i].text, pair[i].size);
                out += pair[i].size;
            } else {
                char *answer = malloc(2 * pair[i].size + 1);
                if (answer == NULL)
                    exit(2);
                size_t most = cookies ? pair[i].size - 1 : pair[i].high ? 2 * pair[i].size : pair[i].size;
                size_t written = decode(decode_into, &pair[i], answer, most);
                memcpy(out, answer, written);
                out += written;
                free(answer);
            }
        }
        *out++ = ']';
    }
    require(cursor.at == cursor.end, "everything is read", text);
    free(copy);
    *out = '\0';
}

typedef struct {
    const char *text;
    const char *pairs;
} sample;

static const sample queries[] = {
    {"", ""},
    {"&&", ""},
    {"a=1&b=2", "[a|1][b|2]"},
    {"a&=&a=b=c&", "[a|][|][a|b=c]"},
    {"a+b=%41%2b%2B+;", "[a b|A++ ;]"},
    {"%=%4&%zz=%%41", "[%|%4][%zz|%A]"},
    {"\xe9=%e9", "[\xc3\xa9|\xe9]"},
    {"%", "[%|]"},
};

static const sample cookies[] = {
    {"", ""},
    {" ; ;=;\xa0=\x85", ""},
    {"a=1; b = 2 ;c", "[a|1][b|2][|c]"},
    {"=x;y=;a=b=c", "[|x][y|][a|b=c]"},
    {"a=\"\";b=\";c=\"x", "[a|][b|\"][c|\"x]"},
    {"a=\"\\\"\\101\\\\\\400\\\"", "[a|\"A\\400\\]"},
    {"a=\"\\\n\\12\"", "[a|\\\n12]"},
    {"\x1c" "a\x1f=\x0bx\x0c", "[a|x]"},
};

/* White space is what str.strip() removes among the Latin-1 characters, each of which is tried. */
static void check_spaces(void) {
    static const char spaces[] = "\x09\x0a\x0b\x0c\x0d\x1c\x1d\x1e\x1f\x20\x85\xa0";
    for (int byte = 1; byte < 256; byte++) {
        char text[] = {'a', '=', (char)byte, 'x', (char)byte, '\0'};
        query_cursor cursor = {text, text + 5};
        query_text name, value;
        if (byte == ';')
            continue;
        require(cookie_next(&cursor, &name, &value), "there is a cookie", text);
        require(value.size == (strchr(spaces, byte) != NULL ? 1 : 3), "only white space is removed", text);
    }
}

int main(void) {
    static const char alphabet[] = "ab=&;%+\\\"4137 \n\xe9\xa0";
    static char out[4096];
    unsigned seed = 20260103u;

    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        list_pairs(query_next, query_decode, false, queries[i].text, strlen(queries[i].text), out);
        require(strcmp(out, queries[i].pairs) == 0, queries[i].pairs, queries[i].text);
    }
    for (size_t i = 0; i < sizeof cookies / sizeof *cookies; i++) {
        list_pairs(cookie_next, cookie_decode, true, cookies[i].text, strlen(cookies[i].text), out);
        require(strcmp(out, cookies[i].pairs) == 0, cookies[i].pairs, cookies[i].text);
    }
    check_spaces();
    for (unsigned round = 0; round < 50000; round++) {
        char text[41];
        size_t size = round % 41;
        for (size_t i = 0; i < size; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = alphabet[(seed >> 8) % (sizeof alphabet - 1)];
        }
        text[size] = '\0';
        list_pairs(query_next, query_decode, false, text, size, out);
        list_pairs(cookie_next, cookie_decode, true, text, size, out);
    }
    printf("all checks passed\n");
    return 0;
}
