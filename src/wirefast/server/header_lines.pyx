"""One header line of a request: checked, split, and kept if many clients send the same line.

The line comes without its end. Its meaning for the protocol is found once: its `Meaning`, and for the headers of a
handshake the value (`says`).
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memchr, memcmp

from wirefast.server.refused import Refused

cdef uint8_t classes[256]
cdef uint8_t lower[256]


cdef int fill_tables() except -1:
    cdef int i
    for i in range(256):
        lower[i] = <uint8_t> (i + 32 if 65 <= i <= 90 else i)
        classes[i] = 0
        if i == 9 or 32 <= i < 127 or i > 127:
            classes[i] |= FIELD
        if 33 <= i < 127 and i != 35:
            classes[i] |= TARGET
    for i in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789":
        classes[i] |= TOKEN | AUTHORITY | BASE64
    for i in b"!#$%&'*+-.^_`|~":
        classes[i] |= TOKEN
    for i in b"-._~!$&'()*+,;=:%[]":
        classes[i] |= AUTHORITY
    for i in b"+/":
        classes[i] |= BASE64
    return 0


fill_tables()

# Names that most clients send: one object for all connections.
cdef dict common_names = {
    name: name
    for name in (
        b"host", b"upgrade", b"connection", b"origin", b"user-agent", b"cookie", b"authorization", b"accept",
        b"accept-encoding", b"accept-language", b"cache-control", b"pragma", b"sec-websocket-key",
        b"sec-websocket-version", b"sec-websocket-protocol", b"sec-websocket-extensions", b"sec-fetch-dest",
        b"sec-fetch-mode", b"sec-fetch-site", b"x-forwarded-for", b"x-forwarded-proto", b"x-real-ip",
        b"content-length", b"content-type",
    )
}
# Headers without secrets whose values many clients share. Their checked lines are kept and used again.
cdef frozenset shared_names = frozenset((
    b"host", b"upgrade", b"connection", b"origin", b"user-agent", b"accept", b"accept-encoding", b"accept-language",
    b"cache-control", b"pragma", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-fetch-dest",
    b"sec-fetch-mode", b"sec-fetch-site", b"x-forwarded-proto",
))
cdef dict known_lines = {}

cdef enum:
    KNOWN_LINES = 1024       # at this number all are forgotten
    KNOWN_LINE_SIZE = 256


@cython.final
cdef class HeaderLine:
    """A checked header line."""


cdef bint all_of(const uint8_t* data, size_t size, uint8_t wanted) noexcept:
    cdef size_t i
    for i in range(size):
        if not classes[data[i]] & wanted:
            return False
    return True


cdef bint is_word(const uint8_t* data, size_t size, const char* word, size_t word_size) noexcept:
    """Whether these bytes are the word, in upper or lower case."""
    cdef size_t i
    if size != word_size:
        return False
    for i in range(size):
        if lower[data[i]] != <uint8_t> word[i]:
            return False
    return True


cdef bint list_has(const uint8_t* data, size_t size, const char* word, size_t word_size) noexcept:
    """Whether a comma-separated list holds this word, in upper or lower case."""
    cdef size_t start = 0, end, i
    while start <= size:
        end = start
        while end < size and data[end] != b",":
            end += 1
        i = end
        while start < i and (data[start] == b" " or data[start] == b"\t"):
            start += 1
        while i > start and (data[i - 1] == b" " or data[i - 1] == b"\t"):
            i -= 1
        if is_word(data + start, i - start, word, word_size):
            return True
        start = end + 1
    return False


cdef Meaning meaning_of(const uint8_t* name, size_t size) noexcept:
    if size == 4 and memcmp(name, b"host", 4) == 0:
        return HOST
    if size == 6 and memcmp(name, b"expect", 6) == 0:
        return EXPECT
    if size == 7 and memcmp(name, b"upgrade", 7) == 0:
        return UPGRADE
    if size == 10 and memcmp(name, b"connection", 10) == 0:
        return CONNECTION
    if size == 14 and memcmp(name, b"content-length", 14) == 0:
        return LENGTH
    if size == 17 and memcmp(name, b"transfer-encoding", 17) == 0:
        return ENCODING
    if (size == 9 and memcmp(name, b"forwarded", 9) == 0) or (size > 12 and memcmp(name, b"x-forwarded-", 12) == 0):
        return FORWARDED
    if size < 17 or memcmp(name, b"sec-websocket-", 14) != 0:
        return NOTHING
    if size == 17 and memcmp(name + 14, b"key", 3) == 0:
        return KEY
    if size == 21 and memcmp(name + 14, b"version", 7) == 0:
        return VERSION
    if size == 22 and memcmp(name + 14, b"protocol", 8) == 0:
        return PROTOCOL
    if size == 24 and memcmp(name + 14, b"extensions", 10) == 0:
        return EXTENSIONS
    return NOTHING


cdef const uint8_t* value_of(const uint8_t* line, size_t size, size_t* name_size, size_t* value_size) except NULL:
    """Check a field line, without its end. Returns the position of the value, without the blanks around it."""
    cdef const uint8_t* value = <const uint8_t*> memchr(line, b":", size)
    name_size[0] = <size_t> (value - line) if value is not NULL else 0
    if name_size[0] == 0 or not all_of(line, name_size[0], TOKEN):
        raise Refused(400, "malformed header name")
    value += 1
    size -= name_size[0] + 1
    while size and (value[0] == b" " or value[0] == b"\t"):
        value += 1
        size -= 1
    while size and (value[size - 1] == b" " or value[size - 1] == b"\t"):
        size -= 1
    if not all_of(value, size, FIELD):
        raise Refused(400, "malformed header value")
    value_size[0] = size
    return value


cdef int check_field_line(const uint8_t* line, size_t size) except -1:
    cdef size_t name_size = 0, value_size = 0
    value_of(line, size, &name_size, &value_size)
    return 0


cdef HeaderLine parse_line(const uint8_t* line, size_t size):
    """Check and split one header line, or find it among the known ones."""
    cdef HeaderLine header
    cdef const uint8_t* value
    cdef size_t name_size = 0, value_size = 0, i
    cdef uint8_t name[LINE_LIMIT]
    cdef bytes whole = None
    cdef bytes name_bytes, value_bytes
    if size <= KNOWN_LINE_SIZE:
        whole = PyBytes_FromStringAndSize(<const char*> line, size)
        known = known_lines.get(whole)
        if known is not None:
            return <HeaderLine> known
    value = value_of(line, size, &name_size, &value_size)
    for i in range(name_size):
        name[i] = lower[line[i]]
    name_bytes = PyBytes_FromStringAndSize(<const char*> name, name_size)
    name_bytes = common_names.get(name_bytes, name_bytes)
    value_bytes = PyBytes_FromStringAndSize(<const char*> value, value_size)
    header = HeaderLine.__new__(HeaderLine)
    header.pair = (name_bytes, value_bytes)
    header.meaning = meaning_of(name, name_size)
    if header.meaning == HOST:
        if not all_of(value, value_size, AUTHORITY):
            raise Refused(400, "malformed Host header")
        if value_size == 0:
            header.says = SAYS_NOTHING
    elif header.meaning == UPGRADE:
        header.says = SAYS_UPGRADE if list_has(value, value_size, b"websocket", 9) else 0
    elif header.meaning == CONNECTION:
        header.says = SAYS_UPGRADE if list_has(value, value_size, b"upgrade", 7) else 0
        if list_has(value, value_size, b"close", 5):
            header.says |= SAYS_CLOSE
    elif header.meaning == VERSION:
        header.says = SAYS_13 if value_bytes == b"13" else 0
    if whole is not None and name_bytes in shared_names:
        if len(known_lines) >= KNOWN_LINES:
            known_lines.clear()
        known_lines[whole] = header
    return header
