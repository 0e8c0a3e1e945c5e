#include "frame.h"
#include "close.h"

#include <string.h>

static uint64_t read_be(const uint8_t *bytes, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

int frame_parse(frame_header *out, const uint8_t *bytes, size_t size, unsigned allowed_rsv, uint64_t limit) {
    if (size < 1) {
        return FRAME_MORE;
    }
    unsigned opcode = bytes[0] & 0x0Fu;
    unsigned rsv = bytes[0] & 0x70u;
    int control = opcode >= FRAME_CLOSE;
    if (rsv & ~(control ? 0u : allowed_rsv)) {
        return FRAME_BAD_RESERVED_BIT;
    }
    if (opcode > FRAME_PONG || (opcode > FRAME_BINARY && opcode < FRAME_CLOSE)) {
        return FRAME_BAD_OPCODE;
    }
    out->opcode = (uint8_t)opcode;
    out->rsv = (uint8_t)rsv;
    out->fin = bytes[0] >> 7;
    if (control && !out->fin) {
        return FRAME_BAD_CONTROL;
    }
    if (size < 2) {
        return FRAME_MORE;
    }
    if (!(bytes[1] & 0x80)) {
        return FRAME_NOT_MASKED;
    }
    uint64_t length = bytes[1] & 0x7Fu;
    size_t used = 2;
    if (length > FRAME_CONTROL_MAX) {
        if (control) {
            return FRAME_BAD_CONTROL;
        }
        size_t width = length == 126 ? 2 : 8;
        if (size - used < width) {
            return FRAME_MORE;
        }
        uint64_t shortest = length == 126 ? 126 : 0x10000;
        length = read_be(bytes + used, width);
        if (length < shortest || length >> 63) {
            return FRAME_BAD_LENGTH;
        }
        used += width;
    }
    if (!control && length > limit) {
        return FRAME_TOO_LONG;
    }
    out->length = length;
    if (size - used < sizeof out->mask) {
        return FRAME_MORE;
    }
    memcpy(out->mask, bytes + used, sizeof out->mask);
    return (int)(used + sizeof out->mask);
}

size_t frame_build(uint8_t *out, unsigned opcode, unsigned rsv, uint64_t length) {
    out[0] = (uint8_t)(0x80u | rsv | opcode);
    if (length <= FRAME_CONTROL_MAX) {
        out[1] = (uint8_t)length;
        return 2;
    }
    size_t width = length <= 0xFFFF ? 2 : 8;
    out[1] = width == 2 ? 126 : 127;
    for (size_t i = 0; i < width; i++) {
        out[2 + i] = (uint8_t)(length >> (8 * (width - 1 - i)));
    }
    return 2 + width;
}

int frame_close_code_ok(unsigned code) {
    if (code >= CLOSE_FIRST_UNREGISTERED) {
        return code <= CLOSE_LAST_PRIVATE;
    }
    /* No close frame carries CLOSE_RESERVED, CLOSE_NO_CODE, CLOSE_ABNORMAL or CLOSE_NO_TLS. */
    return (code >= CLOSE_NORMAL && code < CLOSE_RESERVED) || (code > CLOSE_ABNORMAL && code < CLOSE_NO_TLS);
}

const char *frame_error(int error) {
    switch (error) {
    case FRAME_BAD_RESERVED_BIT:
        return "reserved bit set";
    case FRAME_BAD_OPCODE:
        return "reserved opcode";
    case FRAME_BAD_CONTROL:
        return "control frame fragmented or too long";
    case FRAME_NOT_MASKED:
        return "frame not masked";
    case FRAME_BAD_LENGTH:
        return "malformed payload length";
    case FRAME_TOO_LONG:
        return "message too big";
    default:
        return "malformed frame";
    }
}
