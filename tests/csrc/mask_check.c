/* mask.h: every size to 300 at every alignment to 63 and every phase, each implementation against one byte at
 * a time, in buffers that end where their allocation ends. */
#include "mask.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t KEY[4] = {0x5a, 0x00, 0xff, 0x13};

static void check_one(size_t size, size_t offset, size_t phase) {
    uint8_t *in = malloc(offset + size + 1);
    uint8_t *out = malloc(offset + size + 1);
    assert(in && out);
    /* The byte after the payload is outside: shrink so that the sanitizer sees it. */
    in = realloc(in, offset + size ? offset + size : 1);
    out = realloc(out, offset + size ? offset + size : 1);
    assert(in && out);
    for (size_t i = 0; i < size; i++) {
        in[offset + i] = (uint8_t)(i * 7 + 3);
    }
    memset(out, 0xa5, offset);
    mask_apply(out + offset, in + offset, size, KEY, phase);
    for (size_t i = 0; i < size; i++) {
        assert(out[offset + i] == (in[offset + i] ^ KEY[(phase + i) & 3]));
    }
    for (size_t i = 0; i < offset; i++) {
        assert(out[i] == 0xa5);
    }
    mask_apply(out + offset, out + offset, size, KEY, phase); /* in place, and back */
    assert(memcmp(out + offset, in + offset, size) == 0);
    free(in);
    free(out);
}

/* The return value, for ASCII alone and with one other byte at each place. */
static void check_ascii(size_t size) {
    uint8_t *in = malloc(size + 1);
    uint8_t *out = malloc(size + 1);
    assert(in && out);
    for (size_t i = 0; i < size; i++) {
        in[i] = (uint8_t)((i * 7 + 3) & 0x7f) ^ KEY[i & 3];
    }
    assert(mask_apply(out, in, size, KEY, 0) == 1);
    for (size_t place = 0; place < size; place++) {
        in[place] ^= 0x80;
        assert(mask_apply(out, in, size, KEY, 0) == 0);
        in[place] ^= 0x80;
    }
    free(in);
    free(out);
}

int main(void) {
    const char *names[] = {"portable", "avx2"};
    check_one(100, 1, 2); /* before anything is selected */
    assert(mask_select("none such") == -1);
    for (size_t which = 0; which < 2; which++) {
        if (mask_select(names[which]) != 0) {
            printf("%s: not on this processor\n", names[which]);
            continue;
        }
        assert(strcmp(mask_name(), names[which]) == 0);
        for (size_t size = 0; size <= 300; size++) {
            for (size_t offset = 0; offset < 64; offset += size < 80 ? 1 : 7) {
                check_one(size, offset, (size + offset) & 3);
            }
        }
        for (size_t size = 0; size <= 300; size++) {
            check_ascii(size);
        }
        for (size_t phase = 0; phase < 4; phase++) {
            check_one(65537, 3, phase);
        }
        /* Phases are positions in a payload: any number, of which the low bits count. */
        for (size_t phase = 0; phase < 300; phase++) {
            check_one(40, 3, phase);
        }
    }
    assert(mask_select(NULL) == 0);
    puts("mask checks passed");
    return 0;
}
