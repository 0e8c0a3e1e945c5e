# distutils: sources = csrc/frame.c
"""Small frames of one connection in one row, without an object for each.

A connection that answers several messages in a turn sends several frames. The first is an object of its own, because most
turns have one frame for each connection. The others are built behind each other in the memory that all connections of a
loop share, and become one object when the connection writes or another one begins a row.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy

from wirefast.server.csrc cimport FRAME_HEADER_MAX, frame_build


@cython.final
cdef class FrameRow:
    """The row of one event loop. Made by the reactor alone."""

    cdef bint has_room(self) noexcept:
        return self.size + FRAME_HEADER_MAX + ROW_PAYLOAD <= ROW_BYTES

    cdef size_t append(self, unsigned opcode, const char* data, size_t size) noexcept:
        cdef uint8_t* target = self.memory + self.size
        cdef size_t header_size = frame_build(target, opcode, 0, size)
        memcpy(target + header_size, data, size)
        self.size += header_size + size
        return header_size + size

    cdef bytes take(self):
        # The frames stay in the row if there is no memory for the object.
        cdef bytes frames = PyBytes_FromStringAndSize(<const char*> self.memory, <Py_ssize_t> self.size)
        self.drop()
        return frames

    cdef int drop(self) except -1:
        self.owner = None
        self.size = 0
        return 0
