"""One message has one end: what one reader takes for a body, no other takes for a request.

Every case is tried with its bytes cut at every place. `/admin` is what an attacker hides in another message: the
application must never see it.
"""

from __future__ import annotations

from typing import Any

import pytest
from conversations import Seen, Talk, cuts
from hidden import AFTER, BAD_HANDSHAKES, HIDDEN, OFFERS, chunked, post, sized
from peer import request

# ---- An upgrade that is not taken is ignored (RFC 9110 section 7.8) ----


@pytest.mark.parametrize("framed", [sized, chunked], ids=["length", "chunks"])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
def test_an_upgrade_that_is_not_taken_keeps_its_body(talk: Talk, offer: list[bytes], framed: Any) -> None:
    expected = [Seen("POST", "/post", HIDDEN), Seen("GET", "/after")]
    for pieces in cuts(framed(*offer) + AFTER):
        seen, answers, closed = talk.run(pieces)
        assert (seen, answers, closed) == (expected, [200, 200], False), pieces


@pytest.mark.parametrize("first", [b"", AFTER, sized()], ids=["first", "behind a GET", "behind a POST"])
@pytest.mark.parametrize("framed", [sized, chunked], ids=["length", "chunks"])
@pytest.mark.parametrize("value", [b"WebSocket", b"h2c, websocket", b"websocket, h2c"])
def test_a_websocket_with_a_body_is_no_request_and_a_half(talk: Talk, value: bytes, framed: Any, first: bytes) -> None:
    handshake = [b"Connection: Upgrade", b"Upgrade: " + value, b"Sec-WebSocket-Version: 13"]
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    for method in (b"GET", b"POST"):
        data = framed(*handshake, key).replace(b"POST", method, 1)
        for pieces in cuts(first + data + AFTER):
            seen, answers, closed = talk.run(pieces)
            assert all(each.path != "/admin" for each in seen), pieces
            assert not talk.sockets
            # Refused, with nothing read behind it.
            assert answers == [200] * bool(first) + [400 if method == b"GET" else answers[-1]], (answers, pieces)
            assert 400 <= answers[-1] < 500 and closed and len(seen) == bool(first), (seen, pieces)


@pytest.mark.parametrize("changed", BAD_HANDSHAKES.values(), ids=BAD_HANDSHAKES.keys())
@pytest.mark.parametrize("first", [b"", AFTER], ids=["first", "later"])
def test_nothing_is_read_behind_a_refused_handshake(talk: Talk, changed: dict[str, str], first: bytes) -> None:
    for pieces in cuts(first + request(**changed) + HIDDEN):
        seen, answers, closed = talk.run(pieces)
        assert len(seen) == bool(first) and not talk.sockets, pieces
        assert len(answers) == 1 + bool(first) and 400 <= answers[-1] < 500 and closed, (answers, pieces)


def test_what_comes_behind_a_handshake_is_no_http(talk: Talk) -> None:
    for pieces in cuts(request() + HIDDEN):
        seen, answers, _ = talk.run(pieces)
        assert (seen, answers, talk.sockets) == ([], [101], 1), pieces


# ---- Messages that two readers could end in two places ----

TWO_WAYS = {
    "length and chunks": post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 71", body=b""),
    "the same length twice, otherwise written": post(b"Content-Length: 0", b"Content-Length: 00", body=b""),
    "a list of lengths": post(b"Content-Length: 0, 71", body=b""),
    "no length": post(b"Content-Length:", body=b""),
    "a signed length": post(b"Content-Length: +0", body=b""),
    "a negative length": post(b"Content-Length: -1", body=b""),
    "a length in hexadecimal": post(b"Content-Length: 0x0", body=b""),
    "a blank in the length": post(b"Content-Length: 0 0", body=b""),
    "an underscore": post(b"Content-Length: 0_0", body=b""),
    "digits of another script": post("Content-Length: ٠".encode(), body=b""),
    "a length of 2**64": post(b"Content-Length: 18446744073709551616", body=b""),
    "a length of 2**63": post(b"Content-Length: 9223372036854775808", body=b""),
    "another coding": post(b"Transfer-Encoding: identity", body=b""),
    "nearly chunked": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunked before another": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "chunked in two lines": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked and another line": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "a quoted coding": post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "a parameter of the coding": post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"),
    "no coding": post(b"Transfer-Encoding:", body=b""),
    "a vertical tab before the coding": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": chunked().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a blank before the colon": post(b"Transfer-Encoding : chunked", b"Content-Length: 0", body=b""),
    "a tab before the colon": post(b"Content-Length\t: 0", body=b""),
    "a folded line": post(b"X-A: b", b" Content-Length: 0", body=b""),
    "a folded coding": post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "a folded first line": post(body=b"").replace(b"Host", b" Host"),
    "a bare line feed": post(body=b"").replace(b"Host: a\r\n", b"Host: a\n"),
    "a head that ends in bare line feeds": post(body=b"").replace(b"\r\n\r\n", b"\n\n"),
    "a request line that ends in one": post(body=b"").replace(b"1.1\r\n", b"1.1\n"),
    "a bare carriage return": post(b"X-A: b\rContent-Length: 0", body=b""),
    "a carriage return too many": post(body=b"").replace(b"Host: a\r\n", b"Host: a\r\r\n"),
    "a NUL in a value": post(b"X-A: b\0", body=b""),
    "a NUL in a name": post(b"Content\0-Length: 0", body=b""),
    "a name that is not ASCII": post(b"Content-L\xe9ngth: 0", body=b""),
    "a line without a colon": post(b"Content-Length 0", body=b""),
    "no name": post(b": 0", body=b""),
    "no Host": b"POST /post HTTP/1.1\r\n\r\n",
    "two Hosts": post(b"Host: b", body=b""),
    "a Host with a path": b"POST /post HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a list of Hosts": b"POST /post HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "HTTP/0.9": b"GET /post\r\n\r\n",
    "HTTP/1.2": post(body=b"").replace(b"HTTP/1.1", b"HTTP/1.2"),
    "HTTP/2.0": post(body=b"").replace(b"HTTP/1.1", b"HTTP/2.0"),
    "HTTP/1.10": post(body=b"").replace(b"HTTP/1.1", b"HTTP/1.10"),
    "http/1.1": post(body=b"").replace(b"HTTP/1.1", b"http/1.1"),
    "two blanks": post(body=b"").replace(b"/post ", b"/post  "),
    "a tab for a blank": post(body=b"").replace(b"/post ", b"/post\t"),
    "a blank in the target": post(body=b"").replace(b"/post", b"/po st"),
    "a control in the target": post(body=b"").replace(b"/post", b"/po\x01st"),
    "a fragment": post(body=b"").replace(b"/post", b"/post#x"),
    "a blank before the method": b" " + post(body=b""),
    "a method that is no token": post(body=b"").replace(b"POST", b"PO(ST"),
    "no method": post(body=b"").replace(b"POST", b""),
    "PRI of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("data", TWO_WAYS.values(), ids=TWO_WAYS.keys())
def test_what_ends_in_two_places_is_refused(talk: Talk, data: bytes) -> None:
    for first in (b"", AFTER):
        for pieces in cuts(first + data + HIDDEN):
            seen, answers, closed = talk.run(pieces)
            assert seen == [Seen("GET", "/after")] * bool(first), pieces
            assert len(answers) == 1 + bool(first), (answers, pieces)
            assert answers[-1] in (400, 501, 505) and closed, (answers, pieces)


CHUNKS = {
    "no digits": b"\r\n\r\n",
    "a sign": b"+0\r\n\r\n",
    "a minus": b"-1\r\n\r\n",
    "0x": b"0x0\r\n\r\n",
    "an underscore": b"0_0\r\n\r\n",
    "a blank before": b" 0\r\n\r\n",
    "a blank behind": b"0 \r\n\r\n",
    "a letter": b"g\r\n\r\n",
    "a bare line feed": b"0\n\r\n",
    "a bare carriage return": b"0\r\r\n\r\n",
    "2**64": b"10000000000000000\r\n\r\n",
    "2**64 behind zeros": b"000010000000000000000\r\n\r\n",
    "2**63": b"8000000000000000\r\n\r\n",
    "a chunk that is longer than it says": b"1\r\nab\r\n0\r\n\r\n",
    "a chunk that ends in a line feed": b"1\r\na\n0\r\n\r\n",
    "a chunk that ends in a carriage return": b"1\r\na\r0\r\n\r\n",
    "a chunk without an end": b"1\r\na0\r\n\r\n",
    "a line feed in an extension": b"0;a\nb\r\n\r\n",
    "a carriage return in an extension": b"0;a\rb\r\n\r\n",
    "a NUL in an extension": b"0;a\0\r\n\r\n",
    "trailers that end in line feeds": b"0\r\nA: b\n\n",
    "a trailer without a colon": b"0\r\nabc\r\n\r\n",
    "a trailer with a blank before the colon": b"0\r\nA : b\r\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "a control in a trailer": b"0\r\nA: \0\r\n\r\n",
    "a line feed for the last line": b"0\r\n\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_malformed_chunks_end_the_connection(talk: Talk, body: bytes) -> None:
    for pieces in cuts(post(b"Transfer-Encoding: chunked", body=body + HIDDEN)):
        seen, answers, closed = talk.run(pieces)
        assert (seen, answers, closed) == ([], [400], True), pieces


@pytest.mark.parametrize(
    "body",
    [
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"5\r\nabcde\r\n00\r\n\r\n",
        b"0005\r\nabcde\r\n0\r\n\r\n",
        b'1;a\r\na\r\n4;b="c;d"\r\nbcde\r\n0;e\r\n\r\n',
        b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n1\r\ne\r\n0\r\nExpires: never\r\n\r\n",
    ],
)
def test_chunks_as_they_may_be(talk: Talk, body: bytes) -> None:
    expected = [Seen("POST", "/post", b"abcde"), Seen("GET", "/after")]
    for value in (b"chunked", b"Chunked", b"\tchunked "):
        for pieces in cuts(post(b"Transfer-Encoding:" + value, body=body) + AFTER):
            assert talk.run(pieces) == (expected, [200, 200], False), pieces


@pytest.mark.parametrize("digits", ["a", "A"])
def test_chunk_sizes_are_hexadecimal(talk: Talk, digits: str) -> None:
    body = digits.encode() + b"\r\n0123456789\r\n0\r\n\r\n"
    assert talk.run([post(b"Transfer-Encoding: chunked", body=body)])[0] == [Seen("POST", "/post", b"0123456789")]


# ---- Trailers (RFC 9110 section 6.5.1) ----

TRAILERS = b"X-User: admin\r\nHost: evil\r\nContent-Length: 71\r\nTransfer-Encoding: x\r\nConnection: close\r\n"


def test_trailers_are_no_headers(talk: Talk) -> None:
    sent = [(b"host", b"a"), (b"transfer-encoding", b"chunked")]
    for pieces in cuts(chunked(body=b"abc", trailers=TRAILERS) + AFTER):
        seen, answers, closed = talk.run(pieces)
        assert seen == [Seen("POST", "/post", b"abc"), Seen("GET", "/after")], pieces
        assert (answers, closed) == ([200, 200], False), pieces
        # The list itself: it must not have grown since the application began either.
        assert [scope["headers"] for scope in talk.scopes] == [sent, [(b"host", b"a")]], pieces


@pytest.mark.parametrize("size", [4000, 100_000])
def test_trailers_and_extensions_are_bounded(talk: Talk, size: int) -> None:
    for body in (b"0\r\n" + b"A: b\r\n" * (size // 6) + b"\r\n", b"0;" + b"a" * size + b"\r\n\r\n"):
        seen, answers, closed = talk.run([post(b"Transfer-Encoding: chunked", body=body) + AFTER])
        if size < 8000:
            assert answers == [200, 200] and len(seen) == 2
        else:
            assert answers[-1] in (400, 431) and len(answers) == 1 and closed and not seen
