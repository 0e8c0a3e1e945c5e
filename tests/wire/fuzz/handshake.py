"""Changed upgrade requests. What is accepted h11 reads in the same way; what is refused gets one response; however the
bytes are cut, the answer is the same."""

from __future__ import annotations

import base64
import hashlib
import random
import re

import h11
from driver import Session, cut, main, mutate

from wirefast.server.head import HeadReader

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HEAD = [
    b"GET /a%20path?query=1 HTTP/1.1",
    b"Host: example.org:80",
    b"Upgrade: websocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Version: 13",
]
MORE = [
    b"Sec-WebSocket-Protocol: chat, superchat",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=10",
    b'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits="9", x; y="z"',
    b"Origin: http://example.org",
    b"Cookie: a=b; c=\xe9",
    b"Content-Length: 0",
    b"X-Long: " + b"v" * 8000,
    b"X-Empty:",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ: blanks after it\t ",
    b"X-" + b"N" * 200 + b": 1",
]
WORDS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"\0",
    b"\x0b",
    b"\x1c",
    b"\x85",
    b"\xff",
    b":",
    b",",
    b" ",
    b"\t",
]
WORDS += [
    b",",
    b"\t",
    b"HTTP/1.0",
    b"http://",
    b"?",
    b"#",
    b"%00",
    b"Transfer-Encoding: chunked\r\n",
]
WORDS += [
    b"Content-Length: 5\r\n",
    b"Host: a\r\n",
    b'"',
    b"\\",
    b";",
    b"=",
    b"permessage-deflate;",
    b"websocket",
    b"upgrade",
]
WORDS += [b"upgrade", *HEAD, *MORE]
LENGTH = (b"content-length", b"0")
STATUSES = {b"400", b"414", b"426", b"431", b"501"}

session = Session(ws_per_message_deflate=True)


def one(rng: random.Random) -> bytes:
    lines = HEAD + rng.sample(MORE, rng.randrange(4))
    if rng.random() < 0.3:
        lines += [b"X-%d: %s" % (number, b"v" * rng.randrange(900)) for number in range(rng.randrange(110))]
    first, *rest = lines
    rng.shuffle(rest)
    if rng.random() < 0.2:
        rest.pop()
    head = b"\r\n".join([first, *rest]) + b"\r\n\r\n"
    if rng.random() < 0.1:
        return head + rng.randbytes(rng.randrange(20))
    return mutate(rng, head, WORDS)


def check(rng: random.Random, data: bytes) -> str:
    # Empty lines before a request are for head.py: h11 takes none.
    data = re.sub(rb"^(\r\n)+", b"", data)
    head, mark, _ = data.partition(b"\r\n\r\n")
    # What comes after the head are frames; here only the handshake counts.
    data = head + mark
    events, written, closed = session.run([data] if data else [])
    again = session.run(cut(rng, data))
    # A request line may be refused at a byte of it or at its end, in other words then; and a part of one may be enough.
    refused = again[1][9:12] in STATUSES and again[2] and not again[0] and (not written or written[9:12] in STATUSES)
    assert refused or (written, closed) == again[1:], "it depends on how the bytes are cut"
    if not written:
        assert not mark and not events and not closed
        return "incomplete"
    status = written.split(b" ", 2)[1]
    assert written.count(b"HTTP/1.1 ") == 1
    if status != b"101":
        assert status in STATUSES and closed and not events, status
        return f"refused {status.decode()}"
    found = HeadReader().read(data)
    assert not closed and found is not None and found[0].is_upgrade
    scope = events[0]
    oracle = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    oracle.receive_data(data)
    read = oracle.next_event()
    assert isinstance(read, h11.Request), read
    # h11 makes one of lengths that say the same.
    found = [pair for at, pair in enumerate(scope["headers"]) if pair != LENGTH or pair not in scope["headers"][:at]]
    assert (read.method, read.http_version, list(read.headers)) == (b"GET", b"1.1", found)
    query = b"?" + scope["query_string"] if b"?" in read.target else b""
    assert read.target.endswith(scope["raw_path"] + query)
    headers = dict(scope["headers"])
    assert b"transfer-encoding" not in headers and set(headers.get(b"content-length", b"0")) == set(b"0")
    assert b"websocket" in headers[b"upgrade"].lower() and headers[b"sec-websocket-version"] == b"13"
    key = headers[b"sec-websocket-key"]
    assert len(base64.b64decode(key, validate=True)) == 16
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    assert b"\r\nSec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n" in written
    return "accepted"


if __name__ == "__main__":
    main(one, check)
