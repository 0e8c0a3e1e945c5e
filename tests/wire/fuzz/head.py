"""Changed streams of HTTP requests, however the bytes are cut. What is taken, h11 and llhttp take in the same way, with
the same end; where they differ, it is refused.

Where one of those two refuses what is taken, the reason has to be among the listed ones.
"""

from __future__ import annotations

import random
import re
from typing import Any, NamedTuple

import h11
import httptools
from driver import cut, main, mutate

from wirefast.server.body import BodyReader
from wirefast.server.head import HeadReader
from wirefast.server.refused import Refused

STATUSES = {400, 414, 431, 501}

LINES = [
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: 5",
    b"content-length:5\t",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:\tCHUNKED",
    b"Transfer-Encoding: gzip, chunked",
    b"Connection: close",
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Cookie: a=b; c=\xe9",
    b"X-Empty:",
    b"X-Long: " + b"v" * 8000,
    b"X-Trailing: blanks \t ",
    b"Trailer: X-User",
]
STARTS = [
    b"GET / HTTP/1.1",
    b"POST /a%20path?query=1 HTTP/1.1",
    b"POST / HTTP/1.1",
    b"PUT /x HTTP/1.0",
    b"OPTIONS * HTTP/1.1",
    b"GET http://a/b?c HTTP/1.1",
    b"DELETE /" + b"d" * 200 + b" HTTP/1.1",
    b"HEAD /?? HTTP/1.1",
]
BODIES = [
    b"",
    b"abcde",
    b"5\r\nabcde\r\n0\r\n\r\n",
    b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b'5;a=b;c="d"\r\nabcde\r\n0;e\r\n\r\n',
    b"5\r\nabcde\r\n0\r\nX-User: admin\r\nContent-Length: 9\r\n\r\n",
    b"0005\r\nGET /\r\n000\r\n\r\n",
]
WORDS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n ",
    b"\0",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x85",
    b"\xa0",
    b"\xff",
]
WORDS += [b":", b",", b" ", b"\t", b";", b"0", b"00", b"+", b"-", b"0x", b"_", b"1", b"5", b"f", b"#", b"?", b"*", b"/"]
WORDS += [b"HTTP/1.0", b"HTTP/1.1", b" HTTP/1.2", b"http://", b"chunked", b"identity", b"chunked, ", b'"', b"\\"]
WORDS += [b"Host: b\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length : 5\r\n"]
WORDS += [b"\r\nTransfer-Encoding\x00: chunked", b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"]
WORDS += [b"ffffffffffffffff", b"8000000000000000", b"18446744073709551616", *LINES, *BODIES]


class Request(NamedTuple):
    method: bytes
    version: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def one(rng: random.Random) -> bytes:
    stream = b""
    for _ in range(rng.choice((1, 2, 2, 3))):
        lines = rng.sample(LINES, rng.randrange(4))
        if rng.random() < 0.1:
            lines += [b"X-%d: %s" % (number, b"v" * rng.randrange(900)) for number in range(rng.randrange(110))]
        lines.insert(rng.randrange(len(lines) + 1), b"Host: a")
        stream += b"\r\n" * (rng.random() < 0.1) + b"\r\n".join([rng.choice(STARTS), *lines]) + b"\r\n\r\n"
        # A body that fits, more often than not.
        named = b"".join(lines).lower()
        if b"encoding" in named:
            stream += rng.choice(BODIES[2:])
        elif b"length" in named:
            stream += BODIES[1] * (b"5" in named)
        if rng.random() < 0.2:
            stream += rng.choice(BODIES)
    return stream if rng.random() < 0.1 else mutate(rng, stream, WORDS)


def ours(pieces: list[bytes]) -> tuple[list[Request], str, list[int]]:
    """The requests, how the stream ends, and where each of the requests ends."""
    found: list[Request] = []
    ends: list[int] = []
    reader = HeadReader()
    head: Any = None
    body: Any = None
    content = b""
    passed = 0
    for piece in pieces:
        at = 0
        while at < len(piece):
            try:
                if body is None:
                    read = reader.read(piece, at)
                    if read is None:
                        break
                    head, at = read
                    body, content = BodyReader(head), b""
                more, at = body.read(piece, at)
            except Refused as exc:
                assert exc.status in STATUSES, exc
                return found, f"refused {exc.status}", ends
            content += more
            if body.done:
                target = head.path + (b"?" + head.query if head.query else b"")
                found.append(Request(head.method, b"1.%d" % head.minor, target, head.headers, content))
                ends.append(passed + at)
                reader, body = HeadReader(), None
                if head.is_upgrade:
                    return found, "upgrade", ends
                if not head.keep_alive:
                    return found, "closed", ends
        passed += len(piece)
    return found, "incomplete" if reader.started or body is not None else "complete", ends


class Parser:
    """llhttp's requests. What comes in trailers is left out."""

    def __init__(self) -> None:
        self.found: list[Request] = []
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.target = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.kept: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.kept = self.headers.copy()
        self.method = self.parser.get_method()
        self.version = self.parser.get_http_version().encode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.found.append(Request(self.method, self.version, self.target, self.kept, self.body))


def llhttp(data: bytes) -> tuple[list[Request], str]:
    reader = Parser()
    try:
        reader.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        # It reads no body then, which was a hole in servers: what this request is it does not say.
        return reader.found[:-1], "upgrade"
    except httptools.HttpParserError as exc:
        return reader.found, str(exc)
    return reader.found, ""


def by_h11(data: bytes) -> tuple[list[Request], str]:
    found = []
    while data:
        # h11 takes no empty line before a request, where RFC 9112 section 2.2 wants one at least.
        data = re.sub(rb"^(\r\n){1,2}", b"", data)
        oracle = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        body = b""
        read: Any = None
        try:
            oracle.receive_data(data)
            while not isinstance(event := oracle.next_event(), h11.EndOfMessage):
                if event in (h11.NEED_DATA, h11.PAUSED):
                    return found, ""
                if isinstance(event, h11.Request):
                    read = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                else:
                    return found, repr(event)
        except h11.RemoteProtocolError as exc:
            return found, str(exc)
        found.append(Request(read.method, read.http_version, read.target, list(read.headers), body))
        data = oracle.trailing_data[0]
    return found, ""


def plain(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """As h11 has them: a coding in lower case."""
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]


def same(mine: Request, theirs: Request) -> bool:
    path = re.sub(rb"^[A-Za-z]+://[^/?]*", b"", theirs.target) or b"/"
    return (
        mine._replace(target=b"", headers=plain(mine.headers))
        == theirs._replace(target=b"", headers=plain(theirs.headers))
        and mine.target == path.removesuffix(b"?")
        if b"?" not in mine.target
        else mine.target == path
    )


#: Why an oracle refuses what is taken here; the second ones only where there may be trailers, which are dropped here.
STRICTER = {
    "h11": (),
    "llhttp": (
        "upgrade",
        # Any token is a method (RFC 9110 section 9.1); llhttp has a list.
        "Invalid method encountered",
        "Expected space after method",
        # The authority of an absolute target is not used: Host is.
        "Unexpected char in url server",
    ),
}
STRICTER_BEHIND_CHUNKS = {
    "h11": ("Content-Length", "Transfer-Encoding"),
    "llhttp": ("Content-Length", "Transfer-Encoding", "Invalid character in chunk extensions"),
}


def compare(name: str, mine: list[Request], theirs: list[Request], reason: str, data: bytes) -> str:
    """The requests one by one, as far as both read; an outcome where the oracle stopped before."""
    for number, request in enumerate(mine):
        if number >= len(theirs):
            known = STRICTER[name]
            if any(key == b"transfer-encoding" for key, _ in request.headers):
                known += STRICTER_BEHIND_CHUNKS[name]
            assert any(part in reason for part in known), f"{name} stops before request {number}: {reason}"
            return f", {name} stops: {reason[:60]}"
        names = [key for key, _ in request.headers]
        framing = names.count(b"content-length") + names.count(b"transfer-encoding")
        assert framing <= 1 and names.count(b"host") <= 1, f"two framings or hosts: {names}"
        assert same(request, theirs[number]), f"{name} reads request {number} as {theirs[number]}, not {request}"
    return ""


def check(rng: random.Random, data: bytes) -> str:
    mine, outcome, ends = ours([data] if data else [])
    for pieces in (cut(rng, data), [data[at : at + 1] for at in range(len(data))] if len(data) < 2000 else [data]):
        again = ours(pieces)
        # A beginning that no request has is found with its byte or, in one piece, with the end of its line.
        early = again[1].startswith("refused") and (outcome == "incomplete" or outcome.startswith("refused"))
        assert again == (mine, again[1] if early else outcome, ends), f"it depends on how the bytes are cut: {again}"
    for name, oracle in (("h11", by_h11), ("llhttp", llhttp)):
        outcome += compare(name, mine, *oracle(data), data)
    return f"{len(mine)} and {outcome}"


if __name__ == "__main__":
    main(one, check)
