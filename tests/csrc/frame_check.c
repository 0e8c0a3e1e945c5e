/* frame.h: headers at every length and cut, from buffers of the exact size; what is built can be read. */
#include "frame.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t LIMIT = (UINT64_C(1) << 63) - 1;

/* Parses a copy that ends where its allocation ends. */
static int parse(const uint8_t *bytes, size_t size, unsigned rsv, uint64_t limit, frame_header *out) {
    uint8_t *copy = malloc(size ? size : 1);
    assert(copy);
    memcpy(copy, bytes, size);
    int result = frame_parse(out, copy, size, rsv, limit);
    free(copy);
    return result;
}

static size_t header(uint8_t *out, unsigned first, uint64_t length) {
    size_t size = frame_build(out, first & 15, 0, length);
    out[0] = (uint8_t)first;
    out[1] |= 0x80;
    memcpy(out + size, "\x01\x02\x03\x04", 4);
    return size + 4;
}

static void check_lengths(void) {
    const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
                                UINT64_C(0x100000000), (UINT64_C(1) << 63) - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t bytes[FRAME_HEADER_MAX];
        frame_header got;
        size_t size = header(bytes, 0x82, lengths[i]);
        assert(parse(bytes, size, 0, LIMIT, &got) == (int)size);
        assert(got.length == lengths[i] && got.opcode == FRAME_BINARY && got.fin == 1 && got.rsv == 0);
        assert(memcmp(got.mask, "\x01\x02\x03\x04", 4) == 0);
        for (size_t cut = 0; cut < size; cut++) {
            assert(parse(bytes, cut, 0, LIMIT, &got) == FRAME_MORE);
        }
        if (lengths[i]) {
            /* The limit is judged before the masking key is there. */
            assert(parse(bytes, size - 4, 0, lengths[i] - 1, &got) == FRAME_TOO_LONG);
        }
    }
}

static void check_first_bytes(void) {
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned allowed = 0; allowed <= FRAME_RSV1; allowed += FRAME_RSV1) {
            uint8_t bytes[FRAME_HEADER_MAX];
            frame_header got;
            size_t size = header(bytes, first, 5);
            unsigned opcode = first & 15, rsv = first & 0x70;
            int control = opcode >= 8;
            int expected = (int)size;
            if (rsv && (control || rsv != allowed)) {
                expected = FRAME_BAD_RESERVED_BIT;
            } else if (opcode > 10 || (opcode > 2 && opcode < 8)) {
                expected = FRAME_BAD_OPCODE;
            } else if (control && !(first & 0x80)) {
                expected = FRAME_BAD_CONTROL;
            }
            assert(parse(bytes, size, allowed, LIMIT, &got) == expected);
            if (expected < 0) {
                assert(parse(bytes, 1, allowed, LIMIT, &got) == expected);
            }
        }
    }
}

static void check_errors(void) {
    frame_header got;
    assert(parse((const uint8_t *)"\x81\x05", 2, 0, LIMIT, &got) == FRAME_NOT_MASKED);
    assert(parse((const uint8_t *)"\x89\xfe", 2, 0, LIMIT, &got) == FRAME_BAD_CONTROL);
    assert(parse((const uint8_t *)"\x82\xfe\x00\x7d", 4, 0, LIMIT, &got) == FRAME_BAD_LENGTH);
    assert(parse((const uint8_t *)"\x82\xff\0\0\0\0\0\0\xff\xff", 10, 0, LIMIT, &got) == FRAME_BAD_LENGTH);
    assert(parse((const uint8_t *)"\x82\xff\x80\0\0\0\0\0\0\0", 10, 0, UINT64_MAX, &got) == FRAME_BAD_LENGTH);
    assert(parse((const uint8_t *)"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, 0, UINT64_MAX, &got) ==
           FRAME_BAD_LENGTH);
    for (int error = -7; error <= 0; error++) {
        assert(strlen(frame_error(error)) > 8);
    }
}

static void check_close_codes(void) {
    for (unsigned code = 0; code <= 65535; code++) {
        int ok = (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
        assert(frame_close_code_ok(code) == ok);
    }
}

int main(void) {
    check_lengths();
    check_first_bytes();
    check_errors();
    check_close_codes();
    puts("frame checks passed");
    return 0;
}
