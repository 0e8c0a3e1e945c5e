"""The opening handshake (RFC 6455 section 4.2) over RFC 9112's message syntax, strictly.

One pass over the bytes builds the ASGI header list and judges it: bare line feeds, control characters,
folded lines, a second Host, a body are refused, because a proxy in front may have read them otherwise. All
of it is linear in the size of the head, which is bounded.
"""

import binascii
import hashlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp

cdef bytes GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Character classes, and lower case.
cdef enum:
    TOKEN = 1           # of a header name or subprotocol (RFC 9110 section 5.6.2)
    FIELD = 2           # of a header value: no control but tab
    TARGET = 4          # of a request target
    AUTHORITY = 8       # of a Host header (RFC 3986 section 3.2.2)
    BASE64 = 16

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
    )
}
# Those whose values are the same for many clients, and nobody's secret: their lines are kept, checked and split, and a
# line that came before costs one look and no memory of its own.
cdef frozenset shared_names = frozenset((
    b"host", b"upgrade", b"connection", b"origin", b"user-agent", b"accept", b"accept-encoding", b"accept-language",
    b"cache-control", b"pragma", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-fetch-dest",
    b"sec-fetch-mode", b"sec-fetch-site", b"x-forwarded-proto",
))
cdef dict known_lines = {}

cdef enum:
    KNOWN_LINES = 1024       # all are forgotten when there are that many
    KNOWN_LINE_SIZE = 256

# What a header means to the handshake.
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


@cython.final
cdef class HeaderLine:
    """A checked header line."""

    cdef tuple pair      # (name in lower case, value)
    cdef Meaning meaning
    cdef bint wanted     # it says what a handshake needs: websocket, upgrade, 13


cdef dict status_lines = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Refused(Exception):
    """A handshake that is answered with an error: ``status``, ``reason`` (the body) and header ``lines``."""

    def __init__(self, status: int, reason: str, *lines: bytes) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.lines = list(lines)


cdef size_t head_size(const uint8_t* data, size_t size) noexcept:
    cdef const uint8_t* start = data
    cdef const uint8_t* found
    while size >= 4:
        found = <const uint8_t*> memchr(data, b"\r", size - 3)
        if found is NULL:
            return 0
        if memcmp(found, b"\r\n\r\n", 4) == 0:
            return <size_t> (found - start) + 4
        size -= <size_t> (found - data) + 1
        data = found + 1
    return 0


cdef bint all_of(const uint8_t* data, size_t size, uint8_t wanted) noexcept:
    cdef size_t i
    for i in range(size):
        if not classes[data[i]] & wanted:
            return False
    return True


cdef bint list_has(const uint8_t* data, size_t size, const char* word, size_t word_size) noexcept:
    """Whether a comma-separated list holds this word, whatever its case."""
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
        if i - start == word_size:
            i = 0
            while i < word_size and lower[data[start + i]] == <uint8_t> word[i]:
                i += 1
            if i == word_size:
                return True
        start = end + 1
    return False


cdef class Request:
    """A checked upgrade request."""


cdef int parse_target(Request request, const uint8_t* data, size_t size) except -1:
    cdef const uint8_t* mark
    cdef size_t i
    if not all_of(data, size, TARGET):
        raise Refused(400, "malformed request target")
    request.target = PyBytes_FromStringAndSize(<const char*> data, size)
    if size and data[0] != b"/":
        # RFC 6455 section 4.1 also allows the absolute form; its path starts at the third slash.
        for scheme in (b"http://", b"https://", b"ws://", b"wss://"):
            if request.target[:len(scheme)].lower() == scheme:
                i = <size_t> len(scheme)
                while i < size and data[i] != b"/" and data[i] != b"?":
                    i += 1
                if i < size and data[i] == b"/":
                    data += i
                    size -= i
                break
    if size == 0 or data[0] != b"/":
        raise Refused(400, "malformed request target")
    mark = <const uint8_t*> memchr(data, b"?", size)
    if mark is NULL:
        request.path = PyBytes_FromStringAndSize(<const char*> data, size)
        request.query = b""
    else:
        i = <size_t> (mark - data)
        request.path = PyBytes_FromStringAndSize(<const char*> data, i)
        request.query = PyBytes_FromStringAndSize(<const char*> mark + 1, size - i - 1)
    return 0


cdef Meaning meaning_of(const uint8_t* name, size_t size) noexcept:
    if size == 4 and memcmp(name, b"host", 4) == 0:
        return HOST
    if size == 7 and memcmp(name, b"upgrade", 7) == 0:
        return UPGRADE
    if size == 10 and memcmp(name, b"connection", 10) == 0:
        return CONNECTION
    if size == 14 and memcmp(name, b"content-length", 14) == 0:
        return LENGTH
    if size == 17 and memcmp(name, b"transfer-encoding", 17) == 0:
        return ENCODING
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


cdef HeaderLine parse_line(const uint8_t* line, size_t size):
    """Check and split one header line, or find it among the known ones."""
    cdef HeaderLine header
    cdef const uint8_t* value
    cdef size_t name_size, value_size, i
    cdef uint8_t name[LINE_LIMIT]
    cdef bytes whole = None
    cdef bytes name_bytes, value_bytes
    if size <= KNOWN_LINE_SIZE:
        whole = PyBytes_FromStringAndSize(<const char*> line, size)
        known = known_lines.get(whole)
        if known is not None:
            return <HeaderLine> known
    value = <const uint8_t*> memchr(line, b":", size)
    name_size = <size_t> (value - line) if value is not NULL else 0
    if name_size == 0 or not all_of(line, name_size, TOKEN):
        raise Refused(400, "malformed header name")
    for i in range(name_size):
        name[i] = lower[line[i]]
    value += 1
    value_size = size - name_size - 1
    while value_size and (value[0] == b" " or value[0] == b"\t"):
        value += 1
        value_size -= 1
    while value_size and (value[value_size - 1] == b" " or value[value_size - 1] == b"\t"):
        value_size -= 1
    if not all_of(value, value_size, FIELD):
        raise Refused(400, "malformed header value")
    name_bytes = PyBytes_FromStringAndSize(<const char*> name, name_size)
    name_bytes = common_names.get(name_bytes, name_bytes)
    value_bytes = PyBytes_FromStringAndSize(<const char*> value, value_size)
    header = HeaderLine.__new__(HeaderLine)
    header.pair = (name_bytes, value_bytes)
    header.meaning = meaning_of(name, name_size)
    if header.meaning == HOST:
        if value_size == 0 or not all_of(value, value_size, AUTHORITY):
            raise Refused(400, "malformed Host header")
    elif header.meaning == UPGRADE:
        header.wanted = list_has(value, value_size, b"websocket", 9)
    elif header.meaning == CONNECTION:
        header.wanted = list_has(value, value_size, b"upgrade", 7)
    elif header.meaning == VERSION:
        header.wanted = value_bytes == b"13"
    elif header.meaning == ENCODING or (header.meaning == LENGTH and value_bytes != b"0"):
        raise Refused(400, "a WebSocket handshake has no body")
    if whole is not None and name_bytes in shared_names:
        if len(known_lines) >= KNOWN_LINES:
            known_lines.clear()
        known_lines[whole] = header
    return header


cdef Request parse_request(const uint8_t* data, size_t size):
    cdef Request request = Request.__new__(Request)
    cdef HeaderLine header
    cdef const uint8_t* line = data
    cdef const uint8_t* end = data + size
    cdef const uint8_t* stop
    cdef const uint8_t* space
    cdef size_t length, i
    cdef int hosts = 0, versions = 0, keys = 0, count = 0
    cdef bint upgrade = False, connection = False, version_ok = False
    cdef bytes value
    if size > HEAD_LIMIT:
        raise Refused(431, "request head too large")
    request.headers = []
    request.subprotocols = []
    request.extensions = []

    stop = <const uint8_t*> memchr(line, b"\n", size)
    length = <size_t> (stop - line) if stop is not NULL else 0
    if length < 1 or line[length - 1] != b"\r":
        raise Refused(400, "malformed request line")
    length -= 1
    if length > LINE_LIMIT:
        raise Refused(414, "request line too long")
    space = <const uint8_t*> memchr(line, b" ", length)
    if space is NULL or not all_of(line, <size_t> (space - line), TOKEN):
        raise Refused(400, "malformed request line")
    i = <size_t> (space - line) + 1
    if length < i + 9 or memcmp(line + length - 9, b" HTTP/", 6) != 0:
        raise Refused(400, "malformed request line")
    if memcmp(line + length - 3, b"1.1", 3) != 0:
        raise Refused(400, "a WebSocket handshake needs HTTP/1.1")
    if i != 4 or memcmp(line, b"GET", 3) != 0:
        raise Refused(400, "a WebSocket handshake needs the GET method")
    parse_target(request, line + i, length - 9 - i)

    line = stop + 1
    while True:
        stop = <const uint8_t*> memchr(line, b"\n", <size_t> (end - line)) if line < end else NULL
        length = <size_t> (stop - line) if stop is not NULL else 0
        if length < 1 or line[length - 1] != b"\r":
            raise Refused(400, "malformed header line")
        length -= 1
        if length == 0:
            break
        count += 1
        if count > HEADERS_LIMIT:
            raise Refused(431, "too many headers")
        if length > LINE_LIMIT:
            raise Refused(431, "header line too long")
        header = parse_line(line, length)
        request.headers.append(header.pair)
        if header.meaning == HOST:
            hosts += 1
        elif header.meaning == UPGRADE:
            upgrade = upgrade or header.wanted
        elif header.meaning == CONNECTION:
            connection = connection or header.wanted
        elif header.meaning == VERSION:
            versions += 1
            version_ok = header.wanted
        elif header.meaning != NOTHING:
            value = header.pair[1]
            if header.meaning == KEY:
                keys += 1
                request.key = value
            elif header.meaning == PROTOCOL:
                request.subprotocols += [part.strip() for part in value.decode("latin-1").split(",")]
            elif header.meaning == EXTENSIONS:
                request.extensions.append(value)
        line = stop + 1

    if hosts != 1:
        raise Refused(400, "missing Host header" if hosts == 0 else "more than one Host header")
    if not upgrade:
        raise Refused(426, "missing Upgrade: websocket", b"upgrade: websocket\r\n")
    if not connection:
        raise Refused(400, "missing Connection: upgrade")
    if versions == 0:
        raise Refused(400, "missing Sec-WebSocket-Version header")
    if versions != 1:
        raise Refused(400, "more than one Sec-WebSocket-Version header")
    if not version_ok:
        raise Refused(426, "unsupported WebSocket version", b"sec-websocket-version: 13\r\n")
    if keys == 0:
        raise Refused(400, "missing Sec-WebSocket-Key header")
    if keys != 1 or not key_ok(request.key):
        raise Refused(400, "malformed Sec-WebSocket-Key header")
    return request


cdef bint key_ok(bytes key) noexcept:
    """Sixteen bytes in base64: 22 characters and the padding."""
    cdef const uint8_t* data = <const uint8_t*> PyBytes_AS_STRING(key)
    return PyBytes_GET_SIZE(key) == 24 and all_of(data, 22, BASE64) and data[22] == b"=" and data[23] == b"="


cdef bytes switching_protocols(Request request):
    digest = hashlib.sha1(request.key + GUID, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + binascii.b2a_base64(digest, newline=False) + b"\r\n"
    )


cdef bytes header_line(object name, object value):
    cdef bytes key = name
    cdef bytes content = value
    if not key or not all_of(<const uint8_t*> PyBytes_AS_STRING(key), <size_t> PyBytes_GET_SIZE(key), TOKEN):
        raise ValueError(f"malformed header name {key!r}")
    if not all_of(<const uint8_t*> PyBytes_AS_STRING(content), <size_t> PyBytes_GET_SIZE(content), FIELD):
        raise ValueError(f"malformed value of header {key!r}")
    return key + b": " + content + b"\r\n"


cdef bytes subprotocol_line(object subprotocol):
    cdef bytes value
    if not isinstance(subprotocol, str):
        raise TypeError(f'"subprotocol" of websocket.accept takes a str, not {type(subprotocol).__name__}')
    value = subprotocol.encode("latin-1", "replace")
    if not value or not all_of(<const uint8_t*> PyBytes_AS_STRING(value), <size_t> PyBytes_GET_SIZE(value), TOKEN):
        raise ValueError(f"malformed subprotocol {subprotocol!r}")
    return b"Sec-WebSocket-Protocol: " + value + b"\r\n"


cdef list header_pairs(object headers, str event):
    cdef list pairs = []
    cdef object wrong
    if isinstance(headers, (str, bytes, Mapping)) or not isinstance(headers, Iterable):
        wrong = type(headers).__name__
    else:
        for pair in headers:
            try:
                name, value = pair
            except (TypeError, ValueError):
                name = value = None
            if type(name) is not bytes or type(value) is not bytes:
                wrong = f"{pair!r:.80}"
                break
            pairs.append((name, value))
        else:
            return pairs
    raise TypeError(f'"headers" of {event} takes pairs of bytes, such as [(b"x-name", b"value")], not {wrong}')


cdef bytes response(int status, list lines, bytes body):
    head = status_lines.get(status) or b"HTTP/1.1 %d \r\n" % status
    return b"".join([head, *lines, b"\r\n", body])


cdef bint is_named(const uint8_t* line, size_t size, const char* name, size_t name_size) noexcept:
    """Whether a header line has this name."""
    cdef size_t i
    if size <= name_size or line[name_size] != b":":
        return False
    for i in range(name_size):
        if lower[line[i]] != <uint8_t> name[i]:
            return False
    return True


def inspect_head(bytes data not None):
    """What the head of a request, at the start of ``data``, asks for.

    Returns 0 for plain HTTP, 1 for an upgrade to ``websocket`` (well formed or not), -1 when the head is
    not complete, or the status to refuse it with when it passes a limit: 414 or 431.

    ``Upgrade: websocket`` means nothing without ``Connection: upgrade`` (RFC 9110 section 7.8), so that is plain
    HTTP; unless a Sec-WebSocket-Key or -Version shows that a handshake was meant, and got wrong.
    """
    cdef const uint8_t* line = <const uint8_t*> PyBytes_AS_STRING(data)
    cdef const uint8_t* end = line + PyBytes_GET_SIZE(data)
    cdef const uint8_t* stop
    cdef size_t length
    cdef int count = 0
    cdef bint upgrade = False, connection = False, meant = False
    while True:
        stop = <const uint8_t*> memchr(line, b"\n", <size_t> (end - line)) if line < end else NULL
        length = <size_t> ((end if stop is NULL else stop) - line)
        if length > LINE_LIMIT + 1:
            return 414 if count == 0 else 431
        if <size_t> (line - <const uint8_t*> PyBytes_AS_STRING(data)) + length > HEAD_LIMIT:
            return 431
        if stop is NULL:
            return -1
        if length and line[length - 1] == b"\r":
            length -= 1
        if length == 0 and count:
            return 1 if upgrade and (connection or meant) else 0
        if count > HEADERS_LIMIT:
            return 431
        if count == 0:
            pass
        elif is_named(line, length, b"upgrade", 7):
            upgrade = upgrade or list_has(line + 8, length - 8, b"websocket", 9)
        elif is_named(line, length, b"connection", 10):
            connection = connection or list_has(line + 11, length - 11, b"upgrade", 7)
        elif is_named(line, length, b"sec-websocket-key", 17) or is_named(line, length, b"sec-websocket-version", 21):
            meant = True
        count += 1
        line = stop + 1


def error_response(int status, str text not None, list headers not None):
    """A whole plain-text HTTP response that ends the connection; ``headers`` are uvicorn's default ones."""
    cdef bytes body = text.encode()
    lines = [header_line(name, value) for name, value in headers]
    lines.append(b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n")
    lines.append(b"content-length: %d\r\n" % len(body))
    return response(status, lines, body)
