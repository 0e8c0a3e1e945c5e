/* Any bytes as a query string and as a Cookie header: bounds, progress, and the room that query.h promises. */
#include "query.h"

#include <stdlib.h>
#include <string.h>

typedef bool next_pair(query_cursor *cursor, query_text *name, query_text *value);
typedef size_t decoder(const query_text *piece, char *out, size_t room);

static void decode(decoder *decode_into, const query_text *piece, size_t most) {
    char *out = malloc(most > 0 ? most : 1);
    if (out == NULL)
        abort();
    size_t size = decode_into(piece, out, most);
    if (size == QUERY_NO_ROOM || size > most)
        abort();
    char *tight = malloc(size > 0 ? size : 1);
    if (tight == NULL)
        abort();
    if (decode_into(piece, tight, size) != size || memcmp(tight, out, size) != 0)
        abort();
    if (size > 0 && decode_into(piece, tight, size - 1) != QUERY_NO_ROOM)
        abort();
    free(out);
    free(tight);
}

static void read_all(next_pair *next, decoder *decode_into, const char *text, size_t size, bool cookies) {
    query_cursor cursor = {text, text + size};
    query_text pair[2];
    const char *before = cursor.at;
    while (next(&cursor, &pair[0], &pair[1])) {
        if (cursor.at <= before || cursor.at > text + size)
            abort();
        before = cursor.at;
        for (int i = 0; i < 2; i++) {
            if (pair[i].text < text || pair[i].size > (size_t)(text + size - pair[i].text))
                abort();
            if (!cookies)
                decode(decode_into, &pair[i], pair[i].high ? 2 * pair[i].size : pair[i].size);
            else if (pair[i].escaped)
                decode(decode_into, &pair[i], pair[i].size - 1);
        }
    }
    if (cursor.at != text + size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size > 0 ? size : 1);
    if (text == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    read_all(query_next, query_decode, text, size, false);
    read_all(cookie_next, cookie_decode, text, size, true);
    free(text);
    return 0;
}
