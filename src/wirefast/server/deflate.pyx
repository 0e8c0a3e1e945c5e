"""permessage-deflate (RFC 7692) over the standard library's zlib.

Windows of 12 bits and memory level 5, as uvicorn agrees to: some 20 KiB a direction instead of 300, and
nothing before the first compressed message. Inflating stops as soon as the limit is passed, so a bomb costs
its limit and never its size.
"""

import re
import zlib

from cpython.bytes cimport PyBytes_FromStringAndSize

# A shorter message is sent as it is: deflate saves nothing on it.
cdef Py_ssize_t THRESHOLD = 128
cdef int WINDOW_BITS = 12
cdef int MEMORY_LEVEL = 5
cdef bytes TAIL = b"\x00\x00\xff\xff"

# One element of the header: an extension or a parameter, then what separates it from the next. Every
# alternative starts with a different character, so matching is linear.
_element = re.compile(
    r"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*"
    r"(?:=[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|\"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\")[ \t]*)?"
    r"([;,]|$)"
)
_window_bits = re.compile(r"(?:8|9|1[0-5])", re.ASCII).fullmatch


class MessageTooBig(Exception):
    """A message inflates to more than its limit."""


def parse_extensions(value: str) -> list:
    """The offers of one Sec-WebSocket-Extensions header: ``(name, [(parameter, value or None), ...])``.

    Raises ValueError for what RFC 6455 section 9.1 does not allow.
    """
    cdef list offers = []
    cdef list parameters = None
    cdef Py_ssize_t position = 0
    cdef str separator = ","
    while separator:
        match = _element.match(value, position)
        if match is None:
            raise ValueError("malformed Sec-WebSocket-Extensions")
        name, plain, quoted, following = match.groups()
        argument = plain if quoted is None else quoted
        if separator == ",":
            if argument is not None:
                raise ValueError("malformed Sec-WebSocket-Extensions")
            parameters = []
            offers.append((name, parameters))
        else:
            parameters.append((name, argument))
        separator = following
        position = match.end()
    return offers


cdef Deflate agree(list parameters):
    """The answer to one offer, or None when it cannot be accepted."""
    cdef Deflate deflate = Deflate.__new__(Deflate)
    cdef set seen = set()
    cdef bint bits_offered = False
    deflate.out_bits = WINDOW_BITS
    deflate.in_bits = 15
    for name, value in parameters:
        if name in seen:
            return None
        seen.add(name)
        if name == "server_no_context_takeover" and value is None:
            deflate.out_fresh = True
        elif name == "client_no_context_takeover" and value is None:
            deflate.in_fresh = True
        elif name == "server_max_window_bits" and value is not None and _window_bits(value):
            deflate.out_bits = min(int(value), WINDOW_BITS)
        elif name == "client_max_window_bits" and (value is None or _window_bits(value)):
            bits_offered = True
            deflate.in_bits = WINDOW_BITS if value is None else min(int(value), WINDOW_BITS)
        else:
            return None
    answer = ["permessage-deflate"]
    if deflate.out_fresh:
        answer.append("server_no_context_takeover")
    if deflate.in_fresh:
        answer.append("client_no_context_takeover")
    answer.append(f"server_max_window_bits={deflate.out_bits}")
    if bits_offered:
        answer.append(f"client_max_window_bits={deflate.in_bits}")
    deflate.response = "; ".join(answer)
    return deflate


cdef list parse_offers(list values):
    return [offer for value in values for offer in parse_extensions(value.decode("latin-1"))]


cdef Deflate negotiate(list offers):
    cdef Deflate deflate
    for name, parameters in offers:
        if name == "permessage-deflate":
            deflate = agree(parameters)
            if deflate is not None:
                return deflate
    return None


cdef class Deflate:
    cdef bytes deflate(self, const char* data, Py_ssize_t size):
        cdef bytes packed
        if size < THRESHOLD or self.out_bits == 8:
            return None
        if self.compressor is None:
            self.compressor = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -self.out_bits, MEMORY_LEVEL)
        packed = self.compressor.compress(PyBytes_FromStringAndSize(data, size))
        packed += self.compressor.flush(zlib.Z_SYNC_FLUSH)
        if self.out_fresh:
            self.compressor = None
        return packed[:len(packed) - 4]

    cdef bytes inflate(self, bytes data, Py_ssize_t limit):
        cdef bytes part
        cdef bytes whole = b""
        cdef bytes rest = data
        cdef bint at_tail = False
        while True:
            if self.decompressor is None:
                self.decompressor = zlib.decompressobj(-self.in_bits)
            part = self.decompressor.decompress(rest, limit + 1 - len(whole))
            whole = whole + part if whole else part
            if len(whole) > limit:
                raise MessageTooBig
            if self.decompressor.eof:
                # A final block (RFC 7692 section 7.2.3.4): what follows is a new stream over the same window.
                rest = self.decompressor.unused_data
                self.decompressor = zlib.decompressobj(-self.in_bits, zdict=whole[-(1 << self.in_bits):])
                if rest:
                    continue
            if at_tail:
                break
            at_tail = True
            rest = TAIL
        if self.in_fresh:
            self.decompressor = None
        return whole
