# The opening handshake (RFC 6455 section 4.2): a request head in, a checked Request or a refusal out.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t


cdef enum:
    LINE_LIMIT = 8192        # bytes of the request line or of one header line
    HEAD_LIMIT = 65536       # bytes of the whole head
    HEADERS_LIMIT = 100      # header lines


cdef class Request:
    # The request line. `target` as it came, `path` and `query` its two parts.
    cdef readonly bytes target
    cdef readonly bytes path
    cdef readonly bytes query
    # (name in lower case, value), in order.
    cdef readonly list headers
    # What the answer needs.
    cdef readonly bytes key
    cdef readonly list subprotocols      # of str, as offered
    cdef readonly list extensions        # of bytes, one for each header


# How many bytes the head at the start of `data` has, blank line included; 0 when it is not complete.
cdef size_t head_size(const uint8_t* data, size_t size) noexcept

# Parse and check a whole head. Raises Refused.
cdef Request parse_request(const uint8_t* data, size_t size)

# The 101 response's head up to its own headers, without the final blank line.
cdef bytes switching_protocols(Request request)

# One header line. ValueError for a name or value that would break the message or is the server's to send.
cdef bytes header_line(object name, object value)
# TypeError for no str, ValueError for one that no header may hold.
cdef bytes subprotocol_line(object subprotocol)

# The headers of an ASGI event, each a name and a value in bytes. TypeError for anything else.
cdef list header_pairs(object headers, str event)

# A whole HTTP response that ends the connection.
cdef bytes response(int status, list lines, bytes body)
