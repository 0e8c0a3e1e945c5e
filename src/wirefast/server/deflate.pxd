# permessage-deflate (RFC 7692) of one connection: the agreed parameters, and the two zlib streams.

cdef enum:
    WINDOW_BITS = 12         # of our messages, unless the client asks for less


cdef class Deflate:
    # The value of our Sec-WebSocket-Extensions header.
    cdef readonly str response
    # Agreed parameters. zlib cannot compress with `out_bits` 8, which is agreed to: then messages are sent
    # uncompressed.
    cdef readonly int out_bits
    cdef readonly int in_bits
    cdef readonly bint out_fresh     # server_no_context_takeover
    cdef readonly bint in_fresh      # client_no_context_takeover
    # zlib objects, made for the first compressed message of their direction.
    cdef object compressor
    cdef object decompressor
    # The end of the inflated bytes, as much as the window holds and a little more: the window of the next stream.
    cdef bytearray window
    # The final blocks of this message, and how many it may hold. At the start of a stream the tail of a message (00 00
    # ff ff) ends no block.
    cdef Py_ssize_t final_blocks
    cdef Py_ssize_t final_blocks_max
    cdef bint at_start
    # Whether a stream was used since the reactor's last check, and whether the reactor checks.
    cdef bint used
    cdef bint watched

    # One message as DEFLATE blocks, without the final 00 00 ff ff; None when it should be sent uncompressed.
    cdef bytes deflate(self, const char* data, Py_ssize_t size)
    # Inflate one message. Raises MessageTooBig past `limit` bytes, TooManyFinalBlocks, zlib.error for bytes that are no
    # DEFLATE.
    cdef bytes inflate(self, bytes data, Py_ssize_t limit)
    # Whether a stream is kept between messages.
    cdef bint keeps_streams(self) noexcept
    # Free the memory of both streams; only the window of the received messages is kept.
    cdef int release(self) except -1
    cdef bytes take(self, bytes data, Py_ssize_t limit)
    cdef bytes take_rest(self, bytes part, Py_ssize_t limit)
    cdef int begin_stream(self) except -1
    cdef int remember(self, bytes part) except -1


# One message as DEFLATE blocks that need no context; None if compression saves nothing.
cdef bytes deflate_alone(bytes data)
# The offers of these Sec-WebSocket-Extensions header values, as parse_extensions returns them. ValueError for malformed
# ones.
cdef list parse_offers(list values)
# The first acceptable one of these offers, or None.
cdef Deflate negotiate(list offers)
