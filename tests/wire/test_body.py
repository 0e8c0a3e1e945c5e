"""The body of a request: it has one end, whatever is in it and however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirefast.server import body as module
from wirefast.server.body import BodyReader
from wirefast.server.head import HeadReader
from wirefast.server.refused import Refused


def test_it_is_the_compiled_one() -> None:
    assert module.__file__.endswith((".so", ".pyd"))


def reader(framing: bytes) -> BodyReader:
    found = HeadReader().read(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
    assert found is not None
    return BodyReader(found[0])


def read(framing: bytes, *pieces: bytes) -> tuple[bytes, bool, bytes] | int:
    """The content, whether the body is complete, and what is behind it; or the status of a refusal."""
    body = reader(framing)
    content = rest = b""
    for piece in pieces:
        if body.done:
            rest += piece
            continue
        try:
            part, at = body.read(piece)
        except Refused as exc:
            return exc.status
        content += part
        rest += piece[at:]
    return content, body.done, rest


CHUNKED = b"Transfer-Encoding: chunked"


@given(st.data(), st.binary(max_size=200), st.binary(max_size=20))
def test_a_length(data: st.DataObject, content: bytes, behind: bytes) -> None:
    whole = content + behind
    at = data.draw(st.integers(0, len(whole)))
    found = read(b"Content-Length: %d" % len(content), whole[:at], whole[at:])
    assert found == (content, True, behind)


@given(
    st.data(),
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.sampled_from([b"", b";a", b";a=b", b'; a = "b"', b";\xff"]),
    st.sampled_from([b"", b"X-User: root\r\n", b"A: 1\r\nContent-Length: 5\r\n"]),
    st.binary(max_size=20),
)
def test_chunks(data: st.DataObject, chunks: list[bytes], extension: bytes, trailers: bytes, behind: bytes) -> None:
    coded = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    whole = coded + b"000" + extension + b"\r\n" + trailers + b"\r\n" + behind
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=5)))
    pieces = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(CHUNKED, *pieces) == (b"".join(chunks), True, behind)


MALFORMED = {
    "no size": b"\r\n",
    "no digits": b"g\r\n",
    "a sign": b"+1\r\na\r\n",
    "a prefix": b"0x1\r\na\r\n",
    "a blank before": b" 1\r\na\r\n",
    "a blank behind": b"1 \r\na\r\n",
    "bare LF behind the size": b"1\na\r\n",
    "bare LF behind the chunk": b"1\r\na\n",
    "nothing behind the chunk": b"1\r\nab\r\n",
    "bare CR behind the size": b"1\rx",
    "bare LF in an extension": b"1;a\na\r\n",
    "NUL in an extension": b"1;a\0\r\n",
    "past 63 bits": b"1" * 16 + b"\r\n",
    "zeros without an end": b"0" * 16,
    "bare LF behind the last chunk": b"0\n\n",
    "bare LF behind a trailer": b"0\r\nA: b\n\r\n",
    "bare LF at the end": b"0\r\n\n",
    "a trailer without a colon": b"0\r\nA\r\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "a blank in a trailer's name": b"0\r\nA : b\r\n\r\n",
    "a request in the trailers": b"0\r\nGET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str) -> None:
    data = MALFORMED[name]
    assert read(CHUNKED, data) == 400
    assert read(CHUNKED, *[data[at : at + 1] for at in range(len(data))]) == 400


@pytest.mark.parametrize("refused", [False, True])
def test_the_bound_of_extensions(refused: bool) -> None:
    # Over all chunks: the last byte of each extension is the CR behind it.
    chunk = b"1;" + b"x" * 1023 + b"\r\na\r\n"
    data = chunk * 16 + (b"1;\r\n" if refused else b"")
    assert read(CHUNKED, data) == (400 if refused else (b"a" * 16, False, b""))


@pytest.mark.parametrize("refused", [False, True])
def test_the_bound_of_trailers(refused: bool) -> None:
    # With the empty line behind them, 8192 bytes.
    line = b"A: " + b"b" * (8192 - 2 - 5 + refused) + b"\r\n"
    assert read(CHUNKED, b"0\r\n", line, b"\r\n") == (431 if refused else (b"", True, b""))
