#include "utf8.h"

#include <string.h>

#define NOT_ASCII UINT64_C(0x8080808080808080)

/* A lower bound of how many bytes at the start are ASCII, counted in whole words. */
static size_t ascii_words(const uint8_t *bytes, size_t size) {
    size_t i = 0;
    uint64_t a, b, c, d;
    for (; size - i >= 32; i += 32) {
        memcpy(&a, bytes + i, 8);
        memcpy(&b, bytes + i + 8, 8);
        memcpy(&c, bytes + i + 16, 8);
        memcpy(&d, bytes + i + 24, 8);
        if ((a | b | c | d) & NOT_ASCII) {
            break;
        }
    }
    for (; size - i >= 8; i += 8) {
        memcpy(&a, bytes + i, 8);
        if (a & NOT_ASCII) {
            break;
        }
    }
    return i;
}

/* Begins a sequence of two to four bytes; 0 when no sequence begins with `lead`. */
static int open_sequence(utf8_state *state, uint8_t lead) {
    state->low = 0x80;
    state->high = 0xBF;
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    if (lead < 0xE0) {
        state->missing = 1;
    } else if (lead < 0xF0) {
        state->missing = 2;
        if (lead == 0xE0) {
            state->low = 0xA0;
        } else if (lead == 0xED) {
            state->high = 0x9F;
        }
    } else {
        state->missing = 3;
        if (lead == 0xF0) {
            state->low = 0x90;
        } else if (lead == 0xF4) {
            state->high = 0x8F;
        }
    }
    return 1;
}

int utf8_feed(utf8_state *state, const uint8_t *bytes, size_t size) {
    size_t i = 0;
    while (i < size) {
        if (state->missing) {
            if (bytes[i] < state->low || bytes[i] > state->high) {
                return 0;
            }
            state->low = 0x80;
            state->high = 0xBF;
            state->missing--;
            i++;
            continue;
        }
        if (bytes[i] < 0x80) {
            size_t words = ascii_words(bytes + i, size - i);
            i += words ? words : 1;
            continue;
        }
        if (!open_sequence(state, bytes[i])) {
            return 0;
        }
        i++;
    }
    return 1;
}

int utf8_valid(const uint8_t *bytes, size_t size) {
    utf8_state state = {0, 0, 0};
    return utf8_feed(&state, bytes, size) && state.missing == 0;
}
