"""The opening handshake (RFC 6455 section 4.2): the check of a request head, and the answer."""

import binascii
import hashlib

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast.server.head cimport Head
from wirefast.server.header_lines cimport BASE64, TOKEN, all_of

from wirefast.server.refused import Refused

cdef bytes GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


cdef int check_handshake(Head head) except -1:
    if head.minor != 1:
        raise Refused(400, "a WebSocket handshake needs HTTP/1.1")
    if head.method != b"GET":
        raise Refused(400, "a WebSocket handshake needs the GET method")
    if head.chunked or head.length > 0:
        raise Refused(400, "a WebSocket handshake has no body")
    if head.host_empty:
        raise Refused(400, "malformed Host header")
    if not head.upgrade:
        raise Refused(426, "missing Upgrade: websocket", b"upgrade: websocket\r\n")
    if not head.connection:
        raise Refused(400, "missing Connection: upgrade")
    if head.versions == 0:
        raise Refused(400, "missing Sec-WebSocket-Version header")
    if head.versions != 1:
        raise Refused(400, "more than one Sec-WebSocket-Version header")
    if not head.version_ok:
        raise Refused(426, "unsupported WebSocket version", b"sec-websocket-version: 13\r\n")
    if head.keys == 0:
        raise Refused(400, "missing Sec-WebSocket-Key header")
    if head.keys != 1 or not key_ok(head.key):
        raise Refused(400, "malformed Sec-WebSocket-Key header")
    return 0


cdef bint key_ok(bytes key) noexcept:
    """Whether the key is sixteen bytes in base64: 22 characters and the padding."""
    cdef const uint8_t* data = <const uint8_t*> PyBytes_AS_STRING(key)
    return PyBytes_GET_SIZE(key) == 24 and all_of(data, 22, BASE64) and data[22] == b"=" and data[23] == b"="


cdef list offered_subprotocols(Head head):
    cdef list offered = []
    cdef bytes part
    if head.subprotocol_values is None:
        return offered
    for value in head.subprotocol_values:
        for part in value.split(b","):
            part = part.strip(b" \t")
            if not part:
                continue  # an empty element of a list is ignored (RFC 9110 section 5.6.1)
            if not all_of(<const uint8_t*> PyBytes_AS_STRING(part), <size_t> PyBytes_GET_SIZE(part), TOKEN):
                raise Refused(400, "malformed Sec-WebSocket-Protocol header")
            offered.append(part.decode("ascii"))
    if not offered:
        raise Refused(400, "empty Sec-WebSocket-Protocol header")
    if len(offered) > 1 and len(set(offered)) != len(offered):
        raise Refused(400, "a subprotocol is offered twice")
    return offered


cdef bytes switching_protocols(Head head):
    digest = hashlib.sha1(head.key + GUID, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + binascii.b2a_base64(digest, newline=False) + b"\r\n"
    )


cdef bytes subprotocol_line(object subprotocol):
    cdef bytes value
    if not isinstance(subprotocol, str):
        raise TypeError(f'"subprotocol" of websocket.accept takes a str, not {type(subprotocol).__name__}')
    value = subprotocol.encode("latin-1", "replace")
    if not value or not all_of(<const uint8_t*> PyBytes_AS_STRING(value), <size_t> PyBytes_GET_SIZE(value), TOKEN):
        raise ValueError(f"malformed subprotocol {subprotocol!r}")
    return b"Sec-WebSocket-Protocol: " + value + b"\r\n"
