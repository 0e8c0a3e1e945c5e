"""The head of a request: one reader for all, strict, the same however the bytes are cut."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirefast.server import head as module
from wirefast.server.head import Head, HeadReader
from wirefast.server.refused import Refused

GET = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n"


def test_it_is_the_compiled_one() -> None:
    assert module.__file__.endswith((".so", ".pyd"))


def read(*pieces: bytes) -> tuple[Any, ...]:
    """What a reader makes of these pieces: the head's facts and the rest, a status, or nothing."""
    reader = HeadReader()
    for number, piece in enumerate(pieces):
        try:
            found = reader.read(piece)
        except Refused as exc:
            return (exc.status,)
        if found is not None:
            head, at = found
            return facts(head) + (piece[at:] + b"".join(pieces[number + 1 :]),)
    return ()


def facts(head: Head) -> tuple[Any, ...]:
    return (
        *(head.method, head.minor, head.path, head.query, head.headers),
        *(head.length, head.chunked, head.expects_continue, head.keep_alive, head.is_upgrade),
    )


def test_the_parts() -> None:
    data = GET + b"X-Empty:\r\nx-A:  1 \t\r\nExpect: 100-Continue\r\nContent-Length: 12\r\n\r\nrest"
    headers = [(b"host", b"a"), (b"x-empty", b""), (b"x-a", b"1"), (b"expect", b"100-Continue")]
    headers.append((b"content-length", b"12"))
    assert read(data) == (b"GET", 1, b"/a", b"b=c", headers, 12, False, True, True, False, b"rest")


ACCEPTED = {
    "http 1.0": (b"GET / HTTP/1.0\r\n\r\n", b"/", b""),
    "any method": (b"FROB-NICATE / HTTP/1.1\r\nHost: a\r\n\r\n", b"/", b""),
    "options of all": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"*", b""),
    "absolute": (b"GET http://a/b?c=d HTTP/1.1\r\nHost: a\r\n\r\n", b"/b", b"c=d"),
    "absolute with a port": (b"GET http://A:80/ HTTP/1.1\r\nHost: a:80\r\n\r\n", b"/", b""),
    "absolute in HTTP/1.0": (b"GET http://a/ HTTP/1.0\r\n\r\n", b"/", b""),
    "absolute without a path": (b"GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", b"/", b""),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"/", b""),
    "obs-text": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n", b"/", b""),
    "one empty line before": (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"/", b""),
    "two empty lines before": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"/", b""),
    "two slashes": (b"GET //a//b HTTP/1.1\r\nHost: a\r\n\r\n", b"//a//b", b""),
    "two question marks": (b"GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", b"/a", b"b?c"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    data, path, query = ACCEPTED[name]
    found = read(data)
    assert found[2:4] == (path, query) and found[-1] == b""


REFUSED = {
    "three empty lines before": (b"\r\n\r\n\r\n", 400),
    "bare LF behind the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LF behind a header": (GET + b"X: a\nY: b\r\n\r\n", 400),
    "bare LF at the end": (GET + b"\n", 400),
    "bare LF before": (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "bare CR in a value": (GET + b"X: a\rb\r\n\r\n", 400),
    "bare CR at the end of a value": (GET + b"X: a\r\r\n\r\n", 400),
    "NUL": (GET + b"X: a\0b\r\n\r\n", 400),
    "folded": (GET + b"X: a\r\n b\r\n\r\n", 400),
    "folded with a tab": (GET + b"X: a\r\n\tb\r\n\r\n", 400),
    "folded first": (b"GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", 400),
    "blank before the colon": (GET + b"X : a\r\n\r\n", 400),
    "no name": (GET + b": a\r\n\r\n", 400),
    "no colon": (GET + b"X\r\n\r\n", 400),
    "bracket in a name": (GET + b"X[: a\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GET + b"Host: a\r\n\r\n", 400),
    "bad host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "a path in the host": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "a target of another host": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target of another port": (b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target with a user": (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target without a host": (b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two lengths": (GET + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
    "a list of lengths": (GET + b"Content-Length: 1, 1\r\n\r\n", 400),
    "a sign": (GET + b"Content-Length: +1\r\n\r\n", 400),
    "negative": (GET + b"Content-Length: -1\r\n\r\n", 400),
    "hexadecimal": (GET + b"Content-Length: 0x1\r\n\r\n", 400),
    "underscore": (GET + b"Content-Length: 1_0\r\n\r\n", 400),
    "no digits": (GET + b"Content-Length:\r\n\r\n", 400),
    "digits of another script": (GET + b"Content-Length: \xd9\xa1\r\n\r\n", 400),
    "past 63 bits": (GET + b"Content-Length: 9999999999999999999\r\n\r\n", 400),
    "length and chunked": (GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunked and length": (GET + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
    "chunked twice": (GET + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "another coding": (GET + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "a coding before chunked": (GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "chunked with a parameter": (GET + b"Transfer-Encoding: chunked;x=y\r\n\r\n", 501),
    "a vertical tab in a coding": (GET + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
    "identity": (GET + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "connect": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "no version": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\n\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "lower case": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two blanks before the version": (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a tab": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a blank first": (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a fragment": (b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "high bytes in the target": (b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "an asterisk": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no slash": (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no target": (b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a long method": (b"A" * 33 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a long line": (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a long header": (GET + b"X: " + b"a" * 8192 + b"\r\n\r\n", 431),
    "many headers": (GET + b"X: a\r\n" * 100 + b"\r\n", 431),
    "a long head": (GET + (b"X: " + b"a" * 8000 + b"\r\n") * 9 + b"\r\n", 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, status = REFUSED[name]
    assert read(data) == (status,)
    assert read(*[data[at : at + 1] for at in range(len(data))]) == (status,)


@pytest.mark.parametrize(("size", "status"), [(8192 - 14, None), (8192 - 13, 414)])
def test_the_bound_of_the_request_line(size: int, status: int | None) -> None:
    found = read(b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert found == (status,) if status else len(found[2]) == size + 1


@pytest.mark.parametrize(("size", "status"), [(8192 - 3, None), (8192 - 2, 431)])
def test_the_bound_of_a_header_line(size: int, status: int | None) -> None:
    found = read(GET + b"X: " + b"a" * size + b"\r\n\r\n")
    assert found == (status,) if status else len(found[4][-1][1]) == size


@pytest.mark.parametrize(("count", "status"), [(99, None), (100, 431)])
def test_the_bound_of_headers(count: int, status: int | None) -> None:
    found = read(GET + b"X: a\r\n" * count + b"\r\n")
    assert found == (status,) if status else len(found[4]) == count + 1


def test_the_bound_of_the_head() -> None:
    def head(size: int) -> bytes:
        lines = GET + (b"X: " + b"a" * 8000 + b"\r\n") * 8
        return lines + b"X: " + b"a" * (size - len(lines) - 7) + b"\r\n\r\n"

    assert len(head(65536)) == 65536
    assert len(read(head(65536))) > 1 and read(head(65537)) == (431,)


STRANGERS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "TLS, SSL 2": b"\x80\x2e\x01\x03\x01",
    "SSH": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "SSH without a comment": b"SSH-2.0-Go\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "Redis inline": b"PING\r\n",
    "PostgreSQL": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    "PROXY protocol": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    "PROXY protocol 2": b"\r\n\r\n\x00\r\nQUIT\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n",
    "SMTP": b"EHLO me\r\n",
    "blank": b" ",
    "bare line feed": b"\n",
    "UTF-8": "é".encode(),
    "a long word": b"A" * 33,
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_cannot_begin_a_request_is_refused_at_once(name: str) -> None:
    data = STRANGERS[name]
    assert read(data) == (400,)
    assert read(*[data[at : at + 1] for at in range(len(data))]) == (400,)


@pytest.mark.parametrize("first", [byte for byte in range(256) if not chr(byte).isalnum() or byte > 127])
def test_the_first_byte(first: int) -> None:
    """Each byte is the first of some request, or is refused by itself."""
    begins = bytes([first]) in b"!#$%&'*+-.^_`|~\r"
    assert read(bytes([first])) == (() if begins else (400,))


@given(st.data(), st.sampled_from(sorted(ACCEPTED | {name: (data, b"", b"") for name, (data, _) in REFUSED.items()})))
def test_however_the_bytes_are_cut(data: st.DataObject, name: str) -> None:
    whole = (ACCEPTED.get(name) or REFUSED[name])[0] + b"rest"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=6)))
    pieces = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(*pieces) == read(whole)


def test_a_head_in_single_bytes_costs_linear_time() -> None:
    def cost(lines: int) -> float:
        data = GET + (b"X: " + b"a" * 600 + b"\r\n") * lines
        taken = []
        for _ in range(3):
            reader = HeadReader()
            start = time.process_time()
            for at in range(len(data)):
                reader.read(data[at : at + 1])
            taken.append(time.process_time() - start)
        return min(taken)

    assert cost(80) < 8 * cost(20) + 0.005
