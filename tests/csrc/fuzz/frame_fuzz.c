/* A stream of frames as the server reads it: headers, payloads unmasked, text checked. The first byte says where
 * the stream is cut; cut or not, the same frames are found, and what is built is read back. So are headers of lengths
 * whose payload would not fit into an input. */
#include "frame.h"
#include "mask.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT 4096

typedef struct {
    unsigned long frames;
    unsigned long sum; /* of opcodes, lengths and payload bytes */
    int error;
} seen;

/* Reads frames from the start of an exact-size copy of the bytes; stops at what is incomplete. */
static seen read_stream(const uint8_t *bytes, size_t size, size_t cut) {
    seen found = {0, 0, 0};
    size_t start = 0;
    size_t visible = cut < size ? cut : size;
    for (;;) {
        size_t left = visible - start;
        uint8_t *window = malloc(left ? left : 1);
        if (window == NULL)
            abort();
        memcpy(window, bytes + start, left);
        frame_header header;
        int used = frame_parse(&header, window, left, FRAME_RSV1, LIMIT);
        if (used < 0) {
            found.error = used;
            free(window);
            return found;
        }
        if (used > FRAME_HEADER_MAX || (size_t)used > left || (used > 0 && header.length > LIMIT))
            abort();
        if (used == 0 || left - (size_t)used < header.length) {
            free(window);
            if (visible == size)
                return found;
            visible = size;
            continue;
        }
        size_t length = (size_t)header.length, half = length / 3;
        uint8_t *payload = window + used;
        uint8_t *plain = malloc(length ? length : 1);
        if (plain == NULL)
            abort();
        mask_apply(plain, payload, half, header.mask, 0);
        mask_apply(plain + half, payload + half, length - half, header.mask, half);
        for (size_t i = 0; i < length; i++) {
            if (plain[i] != (payload[i] ^ header.mask[i & 3]))
                abort();
            found.sum = found.sum * 31 + plain[i];
        }
        utf8_state state = {0, 0, 0};
        int ok = utf8_feed(&state, plain, half) && utf8_feed(&state, plain + half, length - half);
        if ((ok && state.missing == 0) != utf8_valid(plain, length))
            abort();
        uint8_t built[FRAME_HEADER_MAX];
        size_t written = frame_build(built, header.opcode, header.rsv, header.length);
        if (written < 2 || written + 4 != (size_t)used || (built[0] & 0x7f) != (window[0] & 0x7f))
            abort();
        found.frames++;
        found.sum = found.sum * 31 + header.opcode + header.length;
        free(plain);
        free(window);
        start += (size_t)used + length;
    }
}

/* A header is built in the shortest form of its length, and read back. */
static void check_length(uint64_t length) {
    uint8_t bytes[FRAME_HEADER_MAX];
    frame_header header;
    size_t size = frame_build(bytes, FRAME_BINARY, 0, length);
    if (size != (length < 126 ? 2u : length < 65536 ? 4u : 10u))
        abort();
    bytes[1] |= 0x80;
    memset(bytes + size, 0x5a, 4);
    int used = frame_parse(&header, bytes, size + 4, 0, length);
    if (used < 0 || (size_t)used != size + 4 || header.length != length)
        abort();
    if (length && frame_parse(&header, bytes, size + 4, 0, length - 1) != FRAME_TOO_LONG)
        abort();
}

/* Of any magnitude, and around the borders of the three forms. */
static void check_lengths(const uint8_t *data) {
    uint64_t length = 0;
    for (size_t i = 1; i < 9; i++)
        length = length << 8 | data[i];
    check_length(length >> 1 >> (data[0] & 63));
    check_length(124u + data[0] % 4);
    check_length(65534u + data[0] % 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    seen whole = read_stream(data + 1, size - 1, size - 1);
    seen split = read_stream(data + 1, size - 1, data[0]);
    if (whole.frames != split.frames || whole.sum != split.sum || whole.error != split.error)
        abort();
    if (size >= 9)
        check_lengths(data);
    return 0;
}
