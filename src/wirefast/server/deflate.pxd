# permessage-deflate (RFC 7692) of one connection: what was agreed, and the two zlib streams.

cdef enum:
    WINDOW_BITS = 12         # of what we send, unless the client asks for less


cdef class Deflate:
    # The value of our Sec-WebSocket-Extensions header.
    cdef readonly str response
    # Agreed parameters. `out_bits` 8 is agreed to but not within zlib's power: we then send uncompressed.
    cdef readonly int out_bits
    cdef readonly int in_bits
    cdef readonly bint out_fresh     # server_no_context_takeover
    cdef readonly bint in_fresh      # client_no_context_takeover
    # zlib objects, made at the first compressed message of their direction.
    cdef object compressor
    cdef object decompressor
    # The end of what came out, as much as the window holds and a piece more: the window of the next stream.
    cdef bytearray window
    # The final blocks of this message, and how many it may hold. At the start of a stream there is nothing for the
    # tail of a message (00 00 ff ff) to end.
    cdef Py_ssize_t final_blocks
    cdef Py_ssize_t final_blocks_max
    cdef bint at_start
    # Whether a stream was used since the reactor last looked, and whether the reactor looks.
    cdef bint used
    cdef bint watched

    # One message as DEFLATE blocks, without the final 00 00 ff ff; None when it is to be sent as it is.
    cdef bytes deflate(self, const char* data, Py_ssize_t size)
    # One message; MessageTooBig once more than `limit` bytes came out, TooManyFinalBlocks, zlib.error for what is no
    # DEFLATE.
    cdef bytes inflate(self, bytes data, Py_ssize_t limit)
    # Whether a stream is kept between messages.
    cdef bint keeps_streams(self) noexcept
    # Give the memory of both streams back: what is kept is the window of what came.
    cdef int release(self) except -1
    cdef bytes take(self, bytes data, Py_ssize_t limit)
    cdef bytes take_rest(self, bytes part, Py_ssize_t limit)
    cdef int begin_stream(self) except -1
    cdef int remember(self, bytes part) except -1


# One message as DEFLATE blocks that no context is needed for; None where that saves nothing.
cdef bytes deflate_alone(bytes data)
# What these Sec-WebSocket-Extensions header values offer, as parse_extensions gives it. ValueError when they
# are malformed.
cdef list parse_offers(list values)
# The first acceptable one of these offers, or None.
cdef Deflate negotiate(list offers)
