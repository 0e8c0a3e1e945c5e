# The head of an HTTP/1.1 request (RFC 9112 sections 2 to 5): from bytes to a checked Head or a refusal.

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t


cdef enum:
    HEAD_LIMIT = 65536       # bytes of the whole head
    HEADERS_LIMIT = 100      # header lines
    METHOD_LIMIT = 32        # bytes of the method
    EMPTY_LINES = 2          # before a request line (RFC 9112 section 2.2)


cdef class Head:
    # The request line. `path` and `query` are the two parts of the target.
    cdef readonly bytes method
    cdef readonly int minor              # of HTTP/1.x: 0 or 1
    cdef readonly bytes path
    cdef readonly bytes query
    # (name in lower case, value), in order.
    cdef readonly list headers

    # Whether a proxy's header names the client's address, scheme or host.
    cdef readonly bint forwarded

    # The body: its length, or that it is chunked (RFC 9112 section 6). No body is a length of 0.
    cdef readonly int64_t length
    cdef readonly bint chunked
    cdef readonly bint expects_continue  # Expect: 100-continue
    # Whether the client keeps the connection open after the response.
    cdef readonly bint keep_alive

    # The fields of the opening handshake of a WebSocket (RFC 6455 section 4.2.1).
    cdef int hosts
    cdef bint host_empty
    cdef bytes host                      # in lower case, if it has to be equal to `authority`
    cdef bytes authority                 # of a target in absolute form, in lower case; None for another form
    cdef bint has_upgrade                # there is an Upgrade header
    cdef bint upgrade                    # Upgrade lists websocket
    cdef bint connection                 # Connection lists upgrade
    cdef int versions
    cdef bint version_ok                 # the last version is 13
    cdef int keys
    cdef readonly bytes key
    cdef readonly list subprotocol_values    # of bytes, one for each header; None without such headers
    cdef readonly list extensions            # the same

    # Whether the client wants a WebSocket handshake, well formed or not.
    cdef bint wants_websocket(self) noexcept


cdef class HeadReader:
    # The head so far, None before its request line, and the beginning of an incomplete line.
    cdef Head head
    cdef bytearray kept
    # Bytes, header lines and empty lines so far.
    cdef size_t size
    cdef int lines
    cdef int empty_lines

    # Read the next piece. `used` is the number of bytes of `data` that belong to the head. None: the head is not
    # complete. Raises Refused.
    cdef Head feed(self, const uint8_t* data, size_t size, size_t* used)
    cdef int keep(self, const uint8_t* data, size_t size) except -1
    cdef int take_line(self, const uint8_t* line, size_t length) except -1
    cdef int finish(self) except -1
