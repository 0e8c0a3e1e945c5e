"""Requests that hide another one in a place where a lax reader would look for it."""

from __future__ import annotations

HIDDEN = b"GET /admin HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
AFTER = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes, body: bytes = b"", target: bytes = b"/post") -> bytes:
    return b"\r\n".join([b"POST " + target + b" HTTP/1.1", b"Host: a", *lines, b"", b""]) + body


def sized(*lines: bytes, body: bytes = HIDDEN) -> bytes:
    return post(*lines, b"Content-Length: %d" % len(body), body=body)


def chunked(*lines: bytes, body: bytes = HIDDEN, trailers: bytes = b"") -> bytes:
    return post(*lines, b"Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailers))


#: Offers of another protocol than ours, and what only looks like an offer.
OFFERS = {
    "h2c": [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
    "unknown": [b"Connection: upgrade", b"Upgrade: foo"],
    "several": [b"Connection: Upgrade", b"Upgrade: h2c, TLS/1.0,, IRC/6.9"],
    "lines": [b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: foo"],
    "empty": [b"Connection: Upgrade", b"Upgrade: "],
    "no token": [b"Connection: Upgrade", b"Upgrade: /"],
    "nearly": [b"Connection: Upgrade", b"Upgrade: websocket2"],
    "no upgrade header": [b"Connection: Upgrade"],
    "no connection option": [b"Connection: keep-alive", b"Upgrade: websocket"],
    "close": [b"Connection: upgrade", b"Upgrade: h2c", b"Connection: keep-alive"],
}

#: What makes a handshake one that is refused.
BAD_HANDSHAKES = {
    "version": {"Sec_WebSocket_Version": "12"},
    "key": {"Sec_WebSocket_Key": "short"},
    "connection": {"Connection": "close"},
}
