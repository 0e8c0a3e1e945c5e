"""Read the body of a request to its end: after its length, or after its last chunk and its trailer section.

A message has exactly one end, so that no part of it can be read as the next message. The chunked coding is read
strictly (RFC 9112 section 7.1): a bare line feed, a sign, a blank or a missing CR LF is refused. Trailer fields are
checked, bounded and dropped. Merged into the header section, they would evade a proxy that removes a header of that
name (RFC 9110 section 6.5.1).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.bytearray cimport PyByteArray_AS_STRING

from wirefast.server.header_lines cimport check_field_line

from wirefast.server.refused import Refused


cdef int digit_of(uint8_t byte) noexcept:
    """Return the value of a hexadecimal digit, -1 for another byte."""
    if 48 <= byte <= 57:
        return byte - 48
    if 65 <= byte <= 70:
        return byte - 55
    if 97 <= byte <= 102:
        return byte - 87
    return -1


cdef class BodyReader:
    """Reads the body of one request, in pieces of any size.

    Args:
        head: the head of the request; it has the length of the body.
    """

    def __init__(self, Head head not None):
        self.chunked = head.chunked
        if head.chunked:
            self.part = CHUNK_SIZE
        elif head.length:
            self.remaining = <uint64_t> head.length
        else:
            self.part = DONE

    @property
    def done(self):
        """Whether all of the body has been read."""
        return self.part == DONE

    def read(self, bytes data not None, Py_ssize_t begin=0):
        """Read the next piece.

        Args:
            data: the received bytes.
            begin: the position in ``data`` to begin at.

        Returns:
            The content, and the position of the bytes behind it.

        Raises:
            Refused: malformed chunks or trailers, or more of them than allowed.
        """
        cdef const uint8_t* start = <const uint8_t*> PyBytes_AS_STRING(data)
        cdef size_t size = <size_t> PyBytes_GET_SIZE(data), at = <size_t> begin, take
        cdef list found = None
        cdef bytes content = b""
        cdef uint8_t byte
        cdef int digit
        if not 0 <= begin <= PyBytes_GET_SIZE(data):
            raise IndexError("begin is outside of the data")
        while self.part != DONE and at < size:
            if self.part == CONTENT:
                take = size - at
                if take > self.remaining:
                    take = <size_t> self.remaining
                if take == size:
                    content = data
                elif not content:
                    content = data[at:at + take]
                else:
                    if found is None:
                        found = [content]
                    found.append(data[at:at + take])
                at += take
                self.remaining -= take
                if self.remaining == 0:
                    self.part = CHUNK_END if self.chunked else DONE
                continue
            byte = start[at]
            at += 1
            if self.part == CHUNK_SIZE:
                digit = digit_of(byte)
                if digit >= 0:
                    self.digits += 1
                    if self.digits > SIZE_DIGITS:
                        raise Refused(400, "chunk too large")
                    self.remaining = self.remaining * 16 + <uint64_t> digit
                elif self.digits == 0 or (byte != b"\r" and byte != b";"):
                    raise Refused(400, "malformed chunk size")
                else:
                    self.part = SIZE_END if byte == b"\r" else EXTENSION
            elif self.part == EXTENSION:
                self.extensions += 1
                if self.extensions > EXTENSIONS_LIMIT:
                    raise Refused(400, "chunk extensions too large")
                if byte == b"\r":
                    self.part = SIZE_END
                elif byte != b"\t" and (byte < 32 or byte == 127):
                    raise Refused(400, "malformed chunk extension")
            elif self.part == SIZE_END:
                if byte != b"\n":
                    raise Refused(400, "malformed chunk size")
                self.digits = 0
                self.part = CONTENT if self.remaining else TRAILER
            elif self.part == CHUNK_END:
                if byte != b"\r":
                    raise Refused(400, "malformed end of a chunk")
                self.part = CHUNK_END_LF
            elif self.part == CHUNK_END_LF:
                if byte != b"\n":
                    raise Refused(400, "malformed end of a chunk")
                self.part = CHUNK_SIZE
            else:
                self.take_trailer(byte)
        if found is not None:
            content = b"".join(found)
        return content, at

    cdef int take_trailer(self, uint8_t byte) except -1:
        cdef size_t size
        self.trailers += 1
        if self.trailers > TRAILERS_LIMIT:
            raise Refused(431, "trailers too large")
        if byte != b"\n":
            if self.line is None:
                self.line = bytearray()
            self.line.append(byte)
            return 0
        size = 0 if self.line is None else <size_t> len(self.line)
        if size == 0 or self.line[size - 1] != 13:
            raise Refused(400, "malformed trailer")
        if size == 1:
            self.part = DONE
            self.line = None
        else:
            check_field_line(<const uint8_t*> PyByteArray_AS_STRING(self.line), size - 1)
            self.line.clear()
        return 0
