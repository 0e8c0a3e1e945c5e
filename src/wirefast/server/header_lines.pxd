# One header line of a request (RFC 9112 section 5): from bytes to a checked and split line.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t


cdef enum:
    LINE_LIMIT = 8192        # bytes of the request line or of one header line

# Character classes.
cdef enum:
    TOKEN = 1           # of a method, a header name or a subprotocol (RFC 9110 section 5.6.2)
    FIELD = 2           # of a header value: no control but tab
    TARGET = 4          # of a request target
    AUTHORITY = 8       # of a Host header (RFC 3986 section 3.2.2)
    BASE64 = 16

# The meaning of a header for the protocol.
cdef enum Meaning:
    NOTHING = 0
    HOST
    UPGRADE
    CONNECTION
    VERSION
    KEY
    PROTOCOL
    EXTENSIONS
    LENGTH
    ENCODING
    EXPECT
    FORWARDED            # of a proxy: the client's address, scheme or host

# The values that the protocol needs.
cdef enum:
    SAYS_UPGRADE = 1         # Connection: upgrade, or Upgrade: websocket
    SAYS_CLOSE = 2           # Connection: close
    SAYS_13 = 4              # Sec-WebSocket-Version: 13
    SAYS_NOTHING = 8         # Host without a value


cdef class HeaderLine:
    cdef tuple pair      # (name in lower case, value)
    cdef Meaning meaning
    cdef int says


# Whether all bytes are of a class.
cdef bint all_of(const uint8_t* data, size_t size, uint8_t wanted) noexcept

# Whether these bytes are a word, in upper or lower case.
cdef bint is_word(const uint8_t* data, size_t size, const char* word, size_t word_size) noexcept

# Check and split one header line of at most LINE_LIMIT bytes. Raises Refused.
cdef HeaderLine parse_line(const uint8_t* line, size_t size)

# Check one line of a trailer section or another field line; Refused with 400.
cdef int check_field_line(const uint8_t* line, size_t size) except -1
