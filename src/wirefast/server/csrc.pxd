# The C functions of the server; the headers in csrc document them.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t


cdef extern from "frame.h" nogil:
    enum:
        FRAME_CONTINUATION
        FRAME_TEXT
        FRAME_BINARY
        FRAME_CLOSE
        FRAME_PING
        FRAME_PONG
        FRAME_RSV1
        FRAME_HEADER_MAX
        FRAME_CONTROL_MAX
        FRAME_TOO_LONG

    ctypedef struct frame_header:
        uint64_t length
        uint8_t mask[4]
        uint8_t opcode
        uint8_t fin
        uint8_t rsv

    int frame_parse(frame_header* out, const uint8_t* data, size_t size, unsigned allowed_rsv, uint64_t limit) noexcept
    size_t frame_build(uint8_t* out, unsigned opcode, unsigned rsv, uint64_t length) noexcept
    int frame_close_code_ok(unsigned code) noexcept
    const char* frame_error(int error) noexcept


cdef extern from "mask.h" nogil:
    bint mask_apply(uint8_t* out, const uint8_t* data, size_t size, const uint8_t* key, size_t phase) noexcept


cdef extern from "utf8.h" nogil:
    ctypedef struct utf8_state:
        uint8_t missing
        uint8_t low
        uint8_t high

    int utf8_feed(utf8_state* state, const uint8_t* data, size_t size) noexcept
    int utf8_valid(const uint8_t* data, size_t size) noexcept
