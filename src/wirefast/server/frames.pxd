# The reading half of one connection: from bytes to messages.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from wirefast._core.channel cimport EventKind
from wirefast.server.csrc cimport FRAME_HEADER_MAX, frame_header, utf8_state
from wirefast.server.reactor cimport Flushable


# One unread message. The ring owns a reference to `payload`, which is that of an event of a Channel, or deflated bytes.
cdef struct Unread:
    void* payload
    int kind           # EventKind, with PACKED added while the payload is still deflated


cdef enum:
    PACKED = 0x100


cdef class FrameStream(Flushable):
    # Limits. `max_packed` is `max_size` for what is still deflated: incompressible data grows a little.
    cdef size_t max_size
    cdef size_t max_packed
    # Reserved bits of an agreed extension: FRAME_RSV1 or 0.
    cdef unsigned allowed_rsv

    # The frame whose payload is arriving, and how many bytes of it are missing. Between frames `stash` holds the bytes
    # of an incomplete header.
    cdef frame_header frame
    cdef uint64_t remaining
    cdef bint in_frame
    # The connection failed, but its frames can still be read: they are skipped until the close frame.
    cdef bint skipping
    # The stream is not read any more: a close frame came, or the beginning of the next frame is unknown.
    cdef bint ended
    cdef uint8_t stash_size
    cdef uint8_t stash[FRAME_HEADER_MAX]
    # The payload of a control frame that arrives in parts, while it arrives; else NULL.
    cdef uint8_t* control

    # The message whose frames are arriving; opcode 0 without one. A message in one frame and one read is unmasked
    # straight into its object and is never here. For any other message `partial` is that object while it grows
    # (its size is the capacity), and `filled` is the number of its bytes so far.
    cdef uint8_t opcode
    cdef bint packed
    cdef uint32_t fragments
    cdef utf8_state utf8
    cdef object partial
    cdef size_t filled

    # The last text that was not deflated was not ASCII, so the next one is not expected to be.
    cdef bint beyond_ascii

    # Unread messages, in a ring that grows by doubling; `unread_bytes` counts their bytes.
    cdef Unread* ring
    cdef size_t ring_capacity
    cdef size_t ring_start
    cdef size_t ring_count
    cdef size_t unread_bytes

    # Reads `size` bytes of the stream, in any split; calls the three methods below.
    cdef int feed(self, const uint8_t* data, size_t size) except -1
    cdef int end_stream(self) except -1

    # The first unread message; the caller has checked that there is one.
    cdef object pop(self, int* kind)

    # Methods of the subclass, which are called when a message was pushed to the ring; when a control frame came; when
    # the stream is malformed (with a close code and its reason) and is now skipped or has ended.
    cdef int on_message(self) except -1
    cdef int on_control(self, unsigned opcode, const uint8_t* data, size_t size) except -1
    cdef int on_malformed(self, int code, str reason) except -1

    cdef bint is_message(self, size_t size) noexcept
    cdef int begin_frame(self) except -1
    cdef int take_payload(self, const uint8_t* data, size_t size) except -1
    cdef int take_control(self, const uint8_t* data, size_t size, size_t position) except -1
    cdef int end_message(self) except -1
    cdef uint8_t* grown(self) noexcept
    cdef int go_beyond_ascii(self, size_t size) except -1
    cdef int grow(self, size_t size, bint text) except -1
    cdef int resize(self, size_t size) except -1
    cdef int take_message(self, const uint8_t* data, size_t size) except -1
    cdef object take_text(self, const uint8_t* data, size_t size)
    cdef object take_bytes(self, const uint8_t* data, size_t size, bint text)
    cdef int push(self, object payload) except -1
    cdef int malformed(self, int code, str reason) except -1
