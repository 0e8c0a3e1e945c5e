"""permessage-deflate (RFC 7692) over the standard library's zlib.

Windows have 12 bits and memory level 5, as in uvicorn: a direction takes some 20 KiB in place of 300, and nothing
    before its first compressed message. Inflating stops at the limit, so a bomb costs memory up to the limit and never
    up to its size.

A final block ends zlib's stream, and the next one begins over the same window (RFC 7692, section 7.2.3.4). zlib
does not export its window, so the end of the inflated bytes is kept beside the stream. A new stream costs microseconds,
and a final block takes as little as two bytes, so a short message may hold only few of them.

An idle socket frees both streams. A new stream over the same window inflates the next received message. The next sent
message is compressed without earlier messages, which every agreement allows (RFC 7692, section 7.1.1).

zlib-ng compresses to the same size in two thirds of zlib's time, but a stream of zlib-ng takes 170 KiB for every
window.
"""

import re
import zlib

from zlib import compressobj

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE

# A shorter message is sent uncompressed, since compression saves nothing.
cdef Py_ssize_t THRESHOLD = 128
cdef int MEMORY_LEVEL = 5
cdef bytes TAIL = b"\x00\x00\xff\xff"

cdef enum:
    # A message may hold this many final blocks, and one more for each FINAL_BLOCK_BYTES of its compressed size.
    FINAL_BLOCKS = 16
    FINAL_BLOCK_BYTES = 1024
    # zlib gets so many bytes behind a final block at a time, since it copies the bytes that it leaves. The window may
    # grow by as many bytes before its oldest bytes are dropped.
    PIECE = 4096

# One element of the header: an extension or a parameter, and then the separator. Every alternative starts with a
# different character, so matching is linear.
_element = re.compile(
    r"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*"
    r"(?:=[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|\"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\")[ \t]*)?"
    r"([;,]|$)"
)
_window_bits = re.compile(r"(?:8|9|1[0-5])", re.ASCII).fullmatch


class MessageTooBig(Exception):
    """A message inflates to more than its limit."""


class TooManyFinalBlocks(Exception):
    """A message holds more final blocks than a message of its size may."""


def parse_extensions(value: str) -> list:
    """Return the offers of one Sec-WebSocket-Extensions header: ``(name, [(parameter, value or None), ...])``.

    Raises ValueError for a value that RFC 6455 section 9.1 does not allow.
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
    """Return the answer to one offer, or None when it cannot be accepted."""
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


cdef object new_compressor(int bits):
    return compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -bits, MEMORY_LEVEL)


cdef bytes deflate_alone(bytes data):
    cdef bytes packed
    if PyBytes_GET_SIZE(data) < THRESHOLD:
        return None
    compressor = new_compressor(WINDOW_BITS)
    packed = compressor.compress(data)
    packed += compressor.flush(zlib.Z_SYNC_FLUSH)
    return packed[:len(packed) - 4] if PyBytes_GET_SIZE(packed) - 4 < PyBytes_GET_SIZE(data) else None


cdef class Deflate:
    cdef bytes deflate(self, const char* data, Py_ssize_t size):
        cdef bytes packed
        if size < THRESHOLD or self.out_bits == 8:
            return None
        if self.compressor is None:
            self.compressor = new_compressor(self.out_bits)
        self.used = True
        packed = self.compressor.compress(PyBytes_FromStringAndSize(data, size))
        packed += self.compressor.flush(zlib.Z_SYNC_FLUSH)
        if self.out_fresh:
            self.compressor = None
        return packed[:len(packed) - 4]

    cdef bytes inflate(self, bytes data, Py_ssize_t limit):
        cdef bytes whole, tail
        self.final_blocks = 0
        self.final_blocks_max = FINAL_BLOCKS + PyBytes_GET_SIZE(data) // FINAL_BLOCK_BYTES
        whole = self.take(data, limit)
        if not self.at_start:
            tail = self.take(TAIL, limit - PyBytes_GET_SIZE(whole))
            if tail:
                whole += tail
        if self.in_fresh:
            self.decompressor = None
            self.window = None
        return whole

    cdef bint keeps_streams(self) noexcept:
        return self.compressor is not None or self.decompressor is not None

    cdef int release(self) except -1:
        cdef Py_ssize_t size = 1 << self.in_bits
        self.compressor = None
        if self.decompressor is not None:
            self.decompressor = None
            if self.window is not None:
                # Cut to the window, without spare capacity.
                self.window = bytearray(self.window[-size:])
        return 0

    cdef bytes take(self, bytes data, Py_ssize_t limit):
        """Inflate these bytes, to at most `limit` bytes."""
        cdef bytes part
        if self.decompressor is None:
            if self.window:
                # The previous stream was freed.
                self.decompressor = zlib.decompressobj(-self.in_bits, zdict=bytes(self.window))
            else:
                self.decompressor = zlib.decompressobj(-self.in_bits)
        self.used = True
        self.at_start = False
        part = self.decompressor.decompress(data, limit + 1)
        if PyBytes_GET_SIZE(part) > limit:
            raise MessageTooBig
        if self.decompressor.eof:
            return self.take_rest(part, limit)
        if not self.in_fresh:
            self.remember(part)
        return part

    cdef bytes take_rest(self, bytes part, Py_ssize_t limit):
        """Return `part`, which ends with a final block, and the inflated bytes behind that block."""
        cdef bytes rest = self.decompressor.unused_data
        cdef object view = memoryview(rest)
        cdef Py_ssize_t position = 0, end = PyBytes_GET_SIZE(rest), size = PyBytes_GET_SIZE(part)
        cdef list parts = [part]
        self.remember(part)
        self.begin_stream()
        while position < end:
            piece = view[position:position + PIECE]
            self.at_start = False
            part = self.decompressor.decompress(piece, limit + 1 - size)
            position += len(piece)
            if part:
                parts.append(part)
                size += PyBytes_GET_SIZE(part)
                if size > limit:
                    raise MessageTooBig
                self.remember(part)
            if self.decompressor.eof:
                position -= len(self.decompressor.unused_data)
                self.begin_stream()
        return b"".join(parts)

    cdef int begin_stream(self) except -1:
        """Begin a stream over the window of the previous one."""
        self.final_blocks += 1
        if self.final_blocks > self.final_blocks_max:
            raise TooManyFinalBlocks
        self.decompressor = zlib.decompressobj(-self.in_bits, zdict=bytes(self.window[-(1 << self.in_bits):]))
        self.at_start = True
        return 0

    cdef int remember(self, bytes part) except -1:
        """Keep the end of the inflated bytes, which later bytes may refer to."""
        cdef Py_ssize_t size = 1 << self.in_bits
        if self.window is None:
            self.window = bytearray()
        self.window += part if PyBytes_GET_SIZE(part) <= size else part[-size:]
        if len(self.window) > size + PIECE:
            del self.window[:len(self.window) - size]
        return 0
