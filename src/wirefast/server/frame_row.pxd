# Small frames that one connection sends behind others of the same turn, before they become one object.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t


cdef enum:
    # The largest payload of a frame in a row, and the bytes of a row.
    ROW_PAYLOAD = 1024
    ROW_BYTES = 16384


cdef class FrameRow:
    # The connection whose frames are here; None while the row is empty.
    cdef object owner
    cdef size_t size
    cdef uint8_t memory[ROW_BYTES]

    # Whether another frame of at most ROW_PAYLOAD bytes has room.
    cdef bint has_room(self) noexcept
    # Add an unmasked frame. Return its bytes.
    cdef size_t append(self, unsigned opcode, const char* data, size_t size) noexcept
    # Return the frames, and leave the row empty.
    cdef bytes take(self)
    cdef int drop(self) except -1
