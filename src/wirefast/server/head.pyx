"""The head of an HTTP/1.1 request, read strictly (RFC 9112), the same for plain and for upgrading requests.

Each line is read once, when it is complete, so the cost is linear in the size of the head for any division of the
bytes; the size is bounded. A proxy in front may have read the same bytes. The reader refuses everything that two
readers may read in different ways: bare line feeds, control characters, folded lines, blanks before a colon, a second
Host, two lengths, a length beside a transfer coding, a transfer coding other than ``chunked``.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from libc.string cimport memchr, memcmp

from wirefast.server.header_lines cimport (
    CONNECTION, ENCODING, EXPECT, EXTENSIONS, FORWARDED, HOST, KEY, LENGTH, LINE_LIMIT, NOTHING, PROTOCOL, SAYS_13,
    SAYS_CLOSE, SAYS_NOTHING, SAYS_UPGRADE, TARGET, TOKEN, UPGRADE, VERSION, HeaderLine, Meaning, all_of, is_word, parse_line,
)

from wirefast.server.refused import Refused

cdef enum:
    LONGEST_LENGTH = 18      # digits of a Content-Length, which fit into 63 bits

cdef dict common_methods = {method: method for method in (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD")}


cdef int parse_target(Head head, const uint8_t* data, size_t size) except -1:
    cdef const uint8_t* mark
    cdef size_t i
    if not all_of(data, size, TARGET):
        raise Refused(400, "malformed request target")
    if size and data[0] != b"/":
        i = 0
        if size == 1 and data[0] == b"*" and head.method == b"OPTIONS":
            head.path = b"*"
            head.query = b""
            return 0
        # The absolute form (RFC 9112 section 3.2.2, RFC 6455 section 4.1): its path starts at the third slash.
        for scheme in (b"http://", b"https://", b"ws://", b"wss://"):
            i = <size_t> len(scheme)
            if size > i and is_word(data, i, scheme, i):
                break
        else:
            raise Refused(400, "malformed request target")
        data += i
        size -= i
        i = 0
        while i < size and data[i] != b"/" and data[i] != b"?":
            i += 1
        head.authority = PyBytes_FromStringAndSize(<const char*> data, i).lower()
        data += i
        size -= i
        if size == 0:
            head.path = b"/"
            head.query = b""
            return 0
        if data[0] == b"?":
            raise Refused(400, "malformed request target")
    if size == 0:
        raise Refused(400, "malformed request target")
    mark = <const uint8_t*> memchr(data, b"?", size)
    if mark is NULL:
        head.path = PyBytes_FromStringAndSize(<const char*> data, size)
        head.query = b""
    else:
        i = <size_t> (mark - data)
        head.path = PyBytes_FromStringAndSize(<const char*> data, i)
        head.query = PyBytes_FromStringAndSize(<const char*> mark + 1, size - i - 1)
    return 0


cdef Head parse_request_line(const uint8_t* line, size_t length):
    cdef Head head = Head.__new__(Head)
    cdef const uint8_t* space = <const uint8_t*> memchr(line, b" ", length)
    cdef size_t size
    if space is NULL:
        raise Refused(400, "malformed request line")
    size = <size_t> (space - line)
    if size == 0 or size > METHOD_LIMIT or not all_of(line, size, TOKEN):
        raise Refused(400, "malformed request line")
    head.method = PyBytes_FromStringAndSize(<const char*> line, size)
    head.method = common_methods.get(head.method, head.method)
    size += 1
    if length < size + 9 or memcmp(line + length - 9, b" HTTP/1.", 8) != 0:
        raise Refused(400, "malformed request line")
    if line[length - 1] == b"1":
        head.minor = 1
        head.keep_alive = True
    elif line[length - 1] != b"0":
        raise Refused(400, "malformed request line")
    if head.method == b"CONNECT":
        raise Refused(501, "CONNECT is for proxies")
    parse_target(head, line + size, length - 9 - size)
    head.headers = []
    head.length = -1
    return head


cdef int check_beginning(const uint8_t* line, size_t size) except -1:
    """Refuse bytes that no request line begins with."""
    cdef const uint8_t* space = <const uint8_t*> memchr(line, b" ", size if size < METHOD_LIMIT + 1 else METHOD_LIMIT + 1)
    cdef size_t method = <size_t> (space - line) if space is not NULL else size
    if size and line[0] == b"\r":
        # This may be an empty line.
        if size > 1:
            raise Refused(400, "malformed request line")
        return 0
    if method > METHOD_LIMIT or (method == 0 and size) or not all_of(line, method, TOKEN):
        raise Refused(400, "malformed request line")
    if method + 1 < size:
        if not all_of(line + method + 1, 1, TARGET):
            raise Refused(400, "malformed request target")
        # Usually only the last byte is new; the whole line is checked later.
        if line[size - 1] != b" " and line[size - 1] != b"\r" and not all_of(line + size - 1, 1, TARGET):
            raise Refused(400, "malformed request target")
    return 0


cdef int parse_length(Head head, bytes value) except -1:
    cdef const uint8_t* data = <const uint8_t*> PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value), i
    cdef int64_t length = 0
    if head.length >= 0:
        raise Refused(400, "more than one Content-Length")
    if size == 0 or size > LONGEST_LENGTH:
        raise Refused(400, "malformed Content-Length")
    for i in range(size):
        if not b"0" <= data[i] <= b"9":
            raise Refused(400, "malformed Content-Length")
        length = length * 10 + (data[i] - 48)
    head.length = length
    return 0


cdef int note(Head head, HeaderLine header) except -1:
    """Note the meaning of a header line for the protocol."""
    cdef Meaning meaning = header.meaning
    cdef bytes value
    if meaning == HOST:
        head.hosts += 1
        if head.hosts > 1:
            raise Refused(400, "more than one Host header")
        head.host_empty = header.says & SAYS_NOTHING
        if head.authority is not None:
            head.host = header.pair[1].lower()
    elif meaning == UPGRADE:
        head.has_upgrade = True
        head.upgrade = head.upgrade or header.says & SAYS_UPGRADE
    elif meaning == CONNECTION:
        head.connection = head.connection or header.says & SAYS_UPGRADE
        if header.says & SAYS_CLOSE:
            head.keep_alive = False
    elif meaning == VERSION:
        head.versions += 1
        head.version_ok = header.says & SAYS_13
    else:
        value = header.pair[1]
        if meaning == KEY:
            head.keys += 1
            head.key = value
        elif meaning == PROTOCOL:
            if head.subprotocol_values is None:
                head.subprotocol_values = []
            head.subprotocol_values.append(value)
        elif meaning == EXTENSIONS:
            if head.extensions is None:
                head.extensions = []
            head.extensions.append(value)
        elif meaning == LENGTH:
            parse_length(head, value)
        elif meaning == ENCODING:
            if head.chunked or head.minor == 0:
                raise Refused(400, "malformed Transfer-Encoding")
            if value.lower() != b"chunked":
                raise Refused(501, "a transfer coding other than chunked")
            head.chunked = True
        elif meaning == FORWARDED:
            head.forwarded = True
        elif meaning == EXPECT:
            head.expects_continue = head.expects_continue or value.lower() == b"100-continue"
    return 0


cdef class Head:
    """A checked request head."""

    cdef bint wants_websocket(self) noexcept:
        # Upgrade without Connection has no meaning (RFC 9110 section 7.8), unless a key or a version shows that the
        # client wanted a handshake and made a mistake.
        return self.upgrade and (self.connection or self.keys > 0 or self.versions > 0)

    @property
    def is_upgrade(self):
        """Whether the client wants a WebSocket handshake, well formed or not."""
        return self.wants_websocket()

    @property
    def offers_upgrade(self):
        """Whether the client offers an upgrade to any other protocol."""
        return self.has_upgrade and self.connection


cdef class HeadReader:
    """Reads the head of one request, in pieces of any size."""

    @property
    def started(self):
        """Whether any byte of a request has come, other than empty lines."""
        return self.head is not None or self.kept is not None

    def read(self, bytes data not None, Py_ssize_t start=0):
        """Read the next piece.

        Args:
            data: the received bytes.
            start: the position in ``data`` to begin at.

        Returns:
            The Head and the position of the bytes behind it, or None while the head is not complete.

        Raises:
            Refused: the bytes are no head, or exceed a limit.
        """
        cdef size_t used = 0
        cdef Head head
        if not 0 <= start <= PyBytes_GET_SIZE(data):
            raise IndexError("start is outside of the data")
        head = self.feed(
            <const uint8_t*> PyBytes_AS_STRING(data) + start, <size_t> (PyBytes_GET_SIZE(data) - start), &used
        )
        return None if head is None else (head, start + <Py_ssize_t> used)

    cdef Head feed(self, const uint8_t* data, size_t size, size_t* used):
        cdef const uint8_t* start = data
        cdef const uint8_t* end = data + size
        cdef const uint8_t* stop
        cdef size_t length, kept
        cdef Head head
        while data < end:
            stop = <const uint8_t*> memchr(data, b"\n", <size_t> (end - data))
            length = <size_t> ((end if stop is NULL else stop + 1) - data)
            kept = <size_t> PyByteArray_GET_SIZE(self.kept) if self.kept is not None else 0
            if kept + length > LINE_LIMIT + 2:
                raise Refused(414, "request line too long") if self.head is None else Refused(431, "header line too long")
            self.size += length
            if self.size > HEAD_LIMIT:
                raise Refused(431, "request head too large")
            if stop is NULL:
                self.keep(data, length)
                return None
            if kept:
                self.kept += (<const char*> data)[:length]
                self.take_line(<const uint8_t*> PyByteArray_AS_STRING(self.kept), kept + length)
                self.kept = None
            else:
                self.take_line(data, length)
            data = stop + 1
            if self.lines < 0:
                used[0] = <size_t> (data - start)
                head = self.head
                self.head = None
                return head
        return None

    cdef int keep(self, const uint8_t* data, size_t size) except -1:
        if self.kept is None:
            self.kept = bytearray()
        self.kept += (<const char*> data)[:size]
        if self.head is None:
            check_beginning(<const uint8_t*> PyByteArray_AS_STRING(self.kept), <size_t> PyByteArray_GET_SIZE(self.kept))
        return 0

    cdef int take_line(self, const uint8_t* line, size_t length) except -1:
        """Read a complete line, with its end."""
        cdef Head head = self.head
        cdef HeaderLine header
        if length < 2 or line[length - 2] != b"\r":
            raise Refused(400, "malformed request line" if head is None else "malformed header line")
        length -= 2
        if head is None:
            if length == 0:
                self.empty_lines += 1
                if self.empty_lines > EMPTY_LINES:
                    raise Refused(400, "too many empty lines before a request")
                return 0
            self.head = parse_request_line(line, length)
            return 0
        if length == 0:
            self.lines = -1
            return self.finish()
        self.lines += 1
        if self.lines > HEADERS_LIMIT:
            raise Refused(431, "too many headers")
        header = parse_line(line, length)
        head.headers.append(header.pair)
        if header.meaning != NOTHING:
            note(head, header)
        return 0

    cdef int finish(self) except -1:
        """Check the complete head."""
        cdef Head head = self.head
        if head.chunked:
            if head.length >= 0:
                raise Refused(400, "both Content-Length and Transfer-Encoding")
        elif head.length < 0:
            head.length = 0
        if head.hosts == 0 and head.minor == 1:
            raise Refused(400, "missing Host header")
        if head.authority is not None and head.host is not None and head.authority != head.host:
            # By RFC 9112 section 3.2.2 the target counts, but applications and proxies read Host.
            raise Refused(400, "the target and Host name different servers")
        return 0
