# The body of an HTTP/1.1 request (RFC 9112 sections 6 and 7): bytes in, content out, to its exact end.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t

from wirefast.server.head cimport Head


cdef enum:
    EXTENSIONS_LIMIT = 16384     # bytes of all chunk extensions of one body
    TRAILERS_LIMIT = 8192        # bytes of the trailer section
    SIZE_DIGITS = 15             # of a chunk's size, in hexadecimal: what fits into 63 bits

cdef enum Part:
    CONTENT = 0          # of the body, or of a chunk: `remaining` bytes of it
    CHUNK_SIZE           # hexadecimal digits
    EXTENSION            # behind the digits, to the end of the line
    SIZE_END             # the LF of that line
    CHUNK_END            # the CR behind a chunk
    CHUNK_END_LF
    TRAILER              # a line of the trailer section, or the empty line that ends it
    DONE


cdef class BodyReader:
    cdef readonly bint chunked
    cdef Part part
    cdef uint64_t remaining
    cdef int digits
    cdef size_t extensions       # bytes so far
    cdef size_t trailers         # bytes so far
    cdef bytearray line          # of the trailer section

    cdef int take_trailer(self, uint8_t byte) except -1
