/* utf8.h: every code point and every pair of bytes, against a plain decoder; every cut gives the same answer. */
#include "utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Straight from the definition: decode, then refuse overlong forms, surrogates and what is too large. */
static int plainly_valid(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size;) {
        unsigned lead = bytes[i++];
        if (lead < 0x80) {
            continue;
        }
        size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc0 || lead >= 0xf8 || size - i < more) {
            return 0;
        }
        unsigned long point = lead & (0x3fu >> more);
        for (size_t k = 0; k < more; k++, i++) {
            if ((bytes[i] & 0xc0) != 0x80) {
                return 0;
            }
            point = point << 6 | (bytes[i] & 0x3fu);
        }
        const unsigned long least[] = {0, 0x80, 0x800, 0x10000};
        if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return 0;
        }
    }
    return 1;
}

/* All at once, and in two parts at every cut. */
static void check(const uint8_t *text, size_t size) {
    uint8_t *bytes = malloc(size ? size : 1);
    assert(bytes);
    memcpy(bytes, text, size);
    int expected = plainly_valid(bytes, size);
    assert(utf8_valid(bytes, size) == expected);
    for (size_t cut = 0; cut <= size; cut++) {
        utf8_state state = {0, 0, 0};
        int ok = utf8_feed(&state, bytes, cut) && utf8_feed(&state, bytes + cut, size - cut) && !state.missing;
        assert(ok == expected);
    }
    free(bytes);
}

int main(void) {
    uint8_t text[64];
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t pair[] = {(uint8_t)a, (uint8_t)b, 0x80, 0x80};
            for (size_t size = 1; size <= 4; size++) {
                check(pair, size);
            }
        }
    }
    /* Long ASCII runs with one sequence at every place. */
    const char *pieces[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xff", "\xc0\x80", "\xf4\x90\x80\x80"};
    for (size_t which = 0; which < sizeof pieces / sizeof *pieces; which++) {
        size_t length = strlen(pieces[which]);
        for (size_t at = 0; at + length <= sizeof text; at++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, pieces[which], length);
            check(text, sizeof text);
            check(text, at + length);
        }
    }
    /* Invalid at the first byte that cannot go on: a lone surrogate fails at its second byte. */
    utf8_state state = {0, 0, 0};
    assert(utf8_feed(&state, (const uint8_t *)"\xed", 1) == 1);
    assert(utf8_feed(&state, (const uint8_t *)"\xa0", 1) == 0);
    puts("utf8 checks passed");
    return 0;
}
