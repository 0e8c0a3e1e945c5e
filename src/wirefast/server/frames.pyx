# distutils: sources = csrc/frame.c csrc/mask.c csrc/utf8.c
"""The reading half of a connection: from frames to messages (RFC 6455 sections 5 and 8).

The stream may be cut anywhere: any split of the same bytes gives the same calls in the same order. A
message in one frame and one read, the common case, costs one copy, from the read buffer into its object. Any
other message grows in one object and is never joined from pieces, so that the memory of a message is bounded by the
bytes that the peer sent, in any number of fragments. Text is checked while it arrives.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stddef cimport size_t
from libc.stdint cimport SIZE_MAX, uint8_t
from libc.string cimport memcpy

from wirefast._core.channel cimport BINARY, TEXT, payload_size
from wirefast._core.close cimport CLOSE_INVALID_DATA, CLOSE_POLICY_VIOLATION, CLOSE_PROTOCOL_ERROR, CLOSE_TOO_BIG
from wirefast.server.csrc cimport (
    FRAME_CLOSE, FRAME_CONTINUATION, FRAME_CONTROL_MAX, FRAME_HEADER_MAX, FRAME_TEXT, FRAME_TOO_LONG,
    frame_error, frame_parse, mask_apply, utf8_feed, utf8_valid,
)

from wirefast._core import close


cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 largest)
    void* PyUnicode_1BYTE_DATA(object text)
    int _PyBytes_Resize(PyObject** obj, Py_ssize_t size) except -1
    int PyUnicode_Resize(PyObject** text, Py_ssize_t size) except -1


cdef enum:
    # A message may have so many fragments, and one more for each FRAGMENT_BYTES of its bytes: this bounds empty and
    # tiny fragments, and allows ordinary ones.
    FRAGMENTS = 1024
    FRAGMENT_BYTES = 32
    # The first size of a growing message; announced bytes are not allocated before they arrive.
    FIRST_GROWTH = 16384
    # Bytes that each unread message counts in addition to its payload.
    MESSAGE_OVERHEAD = 64


cdef class FrameStream(Flushable):
    def __dealloc__(self):
        cdef size_t i
        for i in range(self.ring_count):
            Py_DECREF(<object> self.ring[(self.ring_start + i) & (self.ring_capacity - 1)].payload)
        PyMem_Free(self.ring)
        PyMem_Free(self.control)

    cdef int on_message(self) except -1:
        raise NotImplementedError

    cdef int on_control(self, unsigned opcode, const uint8_t* data, size_t size) except -1:
        raise NotImplementedError

    cdef int on_malformed(self, int code, str reason) except -1:
        raise NotImplementedError

    cdef int feed(self, const uint8_t* data, size_t size) except -1:
        cdef size_t take, limit
        cdef int used
        while not self.ended:
            if not self.in_frame:
                limit = SIZE_MAX if self.skipping else (
                    self.max_packed if self.allowed_rsv else self.max_size) - self.filled
                if self.stash_size:
                    take = FRAME_HEADER_MAX - self.stash_size
                    if take > size:
                        take = size
                    memcpy(self.stash + self.stash_size, data, take)
                    used = frame_parse(&self.frame, self.stash, self.stash_size + take, self.allowed_rsv, limit)
                    if used == 0:
                        self.stash_size += <uint8_t> take
                        return 0
                    if used > 0:
                        used -= self.stash_size
                        self.stash_size = 0
                else:
                    used = frame_parse(&self.frame, data, size, self.allowed_rsv, limit)
                    if used == 0:
                        memcpy(self.stash, data, size)
                        self.stash_size = <uint8_t> size
                        return 0
                if used < 0:
                    if used == FRAME_TOO_LONG and not self.skipping:
                        self.malformed(CLOSE_TOO_BIG, frame_error(used).decode("ascii"))
                        continue
                    self.malformed(CLOSE_PROTOCOL_ERROR, frame_error(used).decode("ascii"))
                    return 0
                data += used
                size -= <size_t> used
                if self.is_message(size):
                    take = <size_t> self.frame.length
                    self.opcode = self.frame.opcode
                    self.packed = False
                    self.take_message(data, take)
                    data += take
                    size -= take
                    continue
                self.begin_frame()
                if self.ended:
                    return 0
            if size == 0 and self.remaining != 0:
                return 0
            take = size if size < self.remaining else <size_t> self.remaining
            self.take_payload(data, take)
            data += take
            size -= take
        return 0

    cdef int end_stream(self) except -1:
        """Stop reading; unread messages stay."""
        self.ended = True
        self.partial = None
        self.filled = 0
        return 0

    cdef int malformed(self, int code, str reason) except -1:
        cdef bint first = not self.skipping
        self.skipping = True
        self.partial = None
        self.filled = 0
        if code == CLOSE_PROTOCOL_ERROR:
            self.ended = True
        return self.on_malformed(code, reason) if first else 0

    cdef bint is_message(self, size_t size) noexcept:
        """Whether the frame is a whole message, not deflated, of which all bytes are there: for most messages."""
        return (
            self.frame.length <= size and self.opcode == 0 and self.frame.fin and self.frame.rsv == 0
            and self.frame.opcode < FRAME_CLOSE and self.frame.opcode != FRAME_CONTINUATION
            and self.frame.length <= self.max_size and not self.skipping
        )

    cdef int begin_frame(self) except -1:
        """Check the frame whose header is in `frame`."""
        cdef unsigned opcode = self.frame.opcode
        self.in_frame = True
        self.remaining = self.frame.length
        if opcode >= FRAME_CLOSE or self.skipping:
            return 0
        if opcode == FRAME_CONTINUATION:
            if self.opcode == 0 or self.frame.rsv:
                return self.malformed(CLOSE_PROTOCOL_ERROR, close.UNEXPECTED_CONTINUATION)
        elif self.opcode != 0:
            return self.malformed(CLOSE_PROTOCOL_ERROR, close.EXPECTED_CONTINUATION)
        else:
            self.opcode = <uint8_t> opcode
            self.packed = self.frame.rsv != 0
            self.fragments = 0
            self.utf8.missing = 0
            self.utf8.low = 0  # until the first sequence of several bytes
        self.fragments += 1
        if self.fragments > FRAGMENTS + (self.filled + self.frame.length) // FRAGMENT_BYTES:
            return self.malformed(CLOSE_POLICY_VIOLATION, close.TOO_MANY_FRAGMENTS)
        if self.frame.length > (self.max_packed if self.packed else self.max_size) - self.filled:
            return self.malformed(CLOSE_TOO_BIG, frame_error(FRAME_TOO_LONG).decode("ascii"))
        return 0

    cdef int take_payload(self, const uint8_t* data, size_t size) except -1:
        """Take the next `size` bytes of the frame's payload, which may be the last ones."""
        cdef size_t position = <size_t> (self.frame.length - self.remaining)
        cdef bint text = self.opcode == FRAME_TEXT and not self.packed
        cdef bint ascii
        self.remaining -= size
        if self.frame.opcode >= FRAME_CLOSE:
            return self.take_control(data, size, position)
        if self.skipping:
            self.in_frame = self.remaining != 0
            return 0
        if self.remaining == 0 and position == 0 and self.filled == 0 and self.frame.fin:
            self.in_frame = False
            return self.take_message(data, size)
        if size:
            self.grow(size, text)
            ascii = mask_apply(self.grown(), data, size, self.frame.mask, position)
            if text and not ascii:
                self.go_beyond_ascii(size)
            if text and not (ascii and self.utf8.missing == 0) and not utf8_feed(&self.utf8, self.grown(), size):
                return self.malformed(CLOSE_INVALID_DATA, close.INVALID_UTF8)
            self.filled += size
        if self.remaining == 0:
            self.in_frame = False
            if self.frame.fin:
                if text and self.utf8.missing:
                    return self.malformed(CLOSE_INVALID_DATA, close.INVALID_UTF8)
                return self.end_message()
        return 0

    cdef int take_message(self, const uint8_t* data, size_t size) except -1:
        """Take a whole message."""
        cdef object payload
        if self.opcode == FRAME_TEXT and not self.packed:
            payload = self.take_text(data, size)
            if payload is None:
                return self.malformed(CLOSE_INVALID_DATA, close.INVALID_UTF8)
        else:
            payload = self.take_bytes(data, size, False)
        return self.push(payload)

    cdef object take_text(self, const uint8_t* data, size_t size):
        """Return a whole text: a str if it is ASCII, which nothing has to decode later; None if it is no UTF-8."""
        cdef object payload
        if not self.beyond_ascii:
            payload = PyUnicode_New(<Py_ssize_t> size, 127)
            if mask_apply(<uint8_t*> PyUnicode_1BYTE_DATA(payload), data, size, self.frame.mask, 0):
                return payload
        return self.take_bytes(data, size, True)

    cdef object take_bytes(self, const uint8_t* data, size_t size, bint text):
        """Return a whole message as bytes; None for a text that is no UTF-8."""
        cdef bytes payload = PyBytes_FromStringAndSize(NULL, size)
        cdef uint8_t* target = <uint8_t*> PyBytes_AS_STRING(payload)
        cdef bint ascii = mask_apply(target, data, size, self.frame.mask, 0)
        if text:
            self.beyond_ascii = not ascii
            if not ascii and not utf8_valid(target, size):
                return None
        return payload

    cdef int take_control(self, const uint8_t* data, size_t size, size_t position) except -1:
        """Take bytes of a control frame's payload, and handle the whole frame."""
        cdef uint8_t whole[FRAME_CONTROL_MAX]
        cdef uint8_t* target = whole
        if self.remaining or position:
            # A socket seldom gets a control frame in parts. It has memory for one only then.
            if self.control is NULL:
                self.control = <uint8_t*> PyMem_Malloc(FRAME_CONTROL_MAX)
                if self.control is NULL:
                    raise MemoryError
            target = self.control
        mask_apply(target + position, data, size, self.frame.mask, position)
        if self.remaining:
            return 0
        self.in_frame = False
        if target != whole:
            memcpy(whole, target, <size_t> self.frame.length)
            PyMem_Free(self.control)
            self.control = NULL
        return self.on_control(self.frame.opcode, whole, <size_t> self.frame.length)

    cdef uint8_t* grown(self) noexcept:
        """Return the end of what has come of the message."""
        if type(self.partial) is str:
            return <uint8_t*> PyUnicode_1BYTE_DATA(self.partial) + self.filled
        return <uint8_t*> PyBytes_AS_STRING(self.partial) + self.filled

    cdef int go_beyond_ascii(self, size_t size) except -1:
        """Go on in bytes, since the last `size` bytes are not all ASCII."""
        cdef bytes wider
        self.beyond_ascii = True
        if type(self.partial) is str:
            wider = PyBytes_FromStringAndSize(NULL, payload_size(self.partial))
            memcpy(PyBytes_AS_STRING(wider), PyUnicode_1BYTE_DATA(self.partial), self.filled + size)
            self.partial = wider
        return 0

    cdef int grow(self, size_t size, bint text) except -1:
        """Make space for `size` more bytes in `partial`: double it, but never past the end of the frame."""
        cdef size_t needed = self.filled + size
        cdef size_t capacity = 0 if self.partial is None else <size_t> payload_size(self.partial)
        cdef size_t wanted
        if needed <= capacity:
            return 0
        wanted = needed * 2
        if wanted < FIRST_GROWTH:
            wanted = FIRST_GROWTH
        if self.frame.fin and wanted > needed + self.remaining:
            wanted = needed + <size_t> self.remaining
        if self.partial is not None:
            self.resize(wanted)
        elif text and not self.beyond_ascii:
            self.partial = PyUnicode_New(<Py_ssize_t> wanted, 127)
        else:
            self.partial = PyBytes_FromStringAndSize(NULL, wanted)
        return 0

    cdef int resize(self, size_t size) except -1:
        cdef PyObject* taken = <PyObject*> self.partial
        cdef bint text = type(self.partial) is str
        Py_INCREF(self.partial)
        self.partial = None
        try:
            if text:
                PyUnicode_Resize(&taken, <Py_ssize_t> size)
            else:
                _PyBytes_Resize(&taken, <Py_ssize_t> size)  # frees the object if it fails
        finally:
            if taken is not NULL:
                self.partial = <object> taken
                Py_DECREF(self.partial)
        return 0

    cdef int end_message(self) except -1:
        cdef object payload
        if self.partial is None:
            payload = b""
        else:
            if <size_t> payload_size(self.partial) != self.filled:
                self.resize(self.filled)
            payload = self.partial
        self.partial = None
        self.filled = 0
        if self.opcode == FRAME_TEXT and not self.packed:
            self.beyond_ascii = self.utf8.low != 0
        return self.push(payload)

    cdef int push(self, object payload) except -1:
        """Append a whole message to the ring."""
        cdef size_t i, capacity
        cdef Unread* ring
        cdef Unread* slot
        if self.ring_count == self.ring_capacity:
            capacity = self.ring_capacity * 2 if self.ring_capacity else 1
            ring = <Unread*> PyMem_Malloc(capacity * sizeof(Unread))
            if ring is NULL:
                raise MemoryError
            for i in range(self.ring_count):
                ring[i] = self.ring[(self.ring_start + i) & (self.ring_capacity - 1)]
            PyMem_Free(self.ring)
            self.ring = ring
            self.ring_capacity = capacity
            self.ring_start = 0
        slot = &self.ring[(self.ring_start + self.ring_count) & (self.ring_capacity - 1)]
        Py_INCREF(payload)
        slot.payload = <void*> payload
        slot.kind = TEXT if self.opcode == FRAME_TEXT else BINARY
        if self.packed:
            slot.kind |= PACKED
        self.opcode = 0
        self.ring_count += 1
        self.unread_bytes += <size_t> payload_size(payload) + MESSAGE_OVERHEAD
        return self.on_message()

    cdef object pop(self, int* kind):
        cdef Unread* slot = &self.ring[self.ring_start]
        cdef object payload = <object> slot.payload
        kind[0] = slot.kind
        Py_DECREF(payload)
        self.ring_start = (self.ring_start + 1) & (self.ring_capacity - 1)
        self.ring_count -= 1
        self.unread_bytes -= <size_t> payload_size(payload) + MESSAGE_OVERHEAD
        if self.ring_count == 0 and self.ring_capacity > 64:
            PyMem_Free(self.ring)
            self.ring = NULL
            self.ring_capacity = 0
            self.ring_start = 0
        return payload
