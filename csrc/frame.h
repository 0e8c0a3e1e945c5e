/* RFC 6455 section 5.2: the frame header, read and written.
 *
 * frame_parse reads one header from the first bytes of a buffer of any length. The function reads nothing past `size`
 * and keeps nothing between calls. The function checks only what one header says: reserved bits, reserved opcodes, the
 * mask that a client must set, minimal length encoding, the limits of control frames, and one limit on the length. The
 * caller checks what needs memory: continuations and the size of a message.
 *
 * The function reports an error as early as the bytes allow: a reserved opcode after one byte, a length after ten,
 * without waiting for the masking key.
 */
#ifndef WIREFAST_FRAME_H
#define WIREFAST_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_CONTINUATION = 0x0,
    FRAME_TEXT = 0x1,
    FRAME_BINARY = 0x2,
    FRAME_CLOSE = 0x8,
    FRAME_PING = 0x9,
    FRAME_PONG = 0xA,
};

enum { FRAME_RSV1 = 0x40, FRAME_RSV2 = 0x20, FRAME_RSV3 = 0x10 };

/* Longest header: 2 bytes, 8 of length, 4 of masking key. */
enum { FRAME_HEADER_MAX = 14, FRAME_CONTROL_MAX = 125 };

/* What frame_parse returns in place of the size of the header. */
enum {
    FRAME_MORE = 0,              /* the header is not complete */
    FRAME_BAD_RESERVED_BIT = -1, /* a reserved bit that no extension negotiated */
    FRAME_BAD_OPCODE = -2,
    FRAME_BAD_CONTROL = -3, /* a control frame that is fragmented or longer than 125 bytes */
    FRAME_NOT_MASKED = -4,
    FRAME_BAD_LENGTH = -5, /* not minimal, or its top bit is set */
    FRAME_TOO_LONG = -6,   /* a data frame longer than the caller's limit */
};

typedef struct {
    uint64_t length; /* of the payload, below 2^63 */
    uint8_t mask[4];
    uint8_t opcode;
    uint8_t fin; /* 0 or 1 */
    uint8_t rsv; /* FRAME_RSV1 when it was set and allowed, else 0 */
} frame_header;

/* Reads the header of a frame that a client sent. `allowed_rsv` holds the reserved bits that extensions define, `limit`
 * the longest payload that the caller accepts (both for data frames only). Returns the size of the header in bytes,
 * FRAME_MORE, or an error; `out` is set only when a size is returned. */
int frame_parse(frame_header *out, const uint8_t *bytes, size_t size, unsigned allowed_rsv, uint64_t limit);

/* Writes the header of an unmasked, unfragmented frame; `rsv` is 0 or FRAME_RSV1. `out` has room for
 * FRAME_HEADER_MAX bytes. Returns the bytes written, 2 to 10. */
size_t frame_build(uint8_t *out, unsigned opcode, unsigned rsv, uint64_t length);

/* 1 when a close frame may carry this code (RFC 6455 section 7.4 and the IANA registry), else 0. */
int frame_close_code_ok(unsigned code);

/* A short English sentence for an error of frame_parse, for close reasons and logs; never NULL. */
const char *frame_error(int error);

#endif
