"""A route of typed messages under changed bytes; no error is logged and no generator stays entered.

Two kinds of input. Changed messages, in one frame or in fragments with pings between them: each gets one reply, or one
close, and nothing else, and the next one is answered as if it had been the first. Changed bytes of a whole connection,
handshake and frames: the answer is a response or whole frames, of which one at most closes, the last.
"""

from __future__ import annotations

import json
import logging
import random
import struct
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from driver import Session, cut, main, mutate
from pydantic import BaseModel, Field

from wirefast import App, Depends
from wirefast.messages import MessageError
from wirefast.param_functions import Message

HEAD = (
    b"GET /7?name=ada HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Say(BaseModel, extra="forbid"):
    type: Literal["say"]
    text: Annotated[str, Field(max_length=50)]
    more: dict[str, list[int]] = {}


class Move(BaseModel):
    type: Literal["up", "down", 7]
    by: float = 1.0


class Done(BaseModel):
    type: Literal["done"] = "done"
    text: str


class Entered:
    """How many generators were entered, less those that were left."""

    count = 0


async def session() -> AsyncIterator[None]:
    Entered.count += 1
    try:
        yield
    finally:
        Entered.count -= 1


app = App()
room = app.messages("/{room_id}", sends=Done, max_invalid=1000)


@room.on
async def say(message: Say, room_id: int, held: Annotated[None, Depends(session, scope="message")]) -> Done:
    if "!" in message.text:
        raise MessageError("loud")
    return Done(text=message.text)


@room.on
async def move(message: Move) -> Done:
    return Done(text=str(message.by))


@room.on("plain")
async def plain(text: Annotated[str, Message()] | None = None, number: int = 1) -> Done:
    return Done(text=f"{text} {number}")


class TypedSession(Session):
    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)  # that text is no UTF-8 is told in a line of a lower level
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


connection = TypedSession()
records = Records()
logging.getLogger().addHandler(records)
# uvicorn's is kept at "critical", where no error of an application is told.
logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

MESSAGES = [
    b'{"type": "say", "text": "hello", "ref": 1, "more": {"a": [1, 2]}}',
    '{"type":"say","text":"é!","ref":"\u20ac"}'.encode(),
    b'{"type": 7, "by": 1e3, "unknown": [{"x": null}]}',
    b'{"type": "up"}',
    b'{"text": "a", "number": 3, "type": "plain", "ref": "r"}',
    b'{"t\\u0079pe": "d\\u006fwn", "by": -0.5}',
    b"[]",
    b"",
]
WORDS = [
    b'"type"', b'"ref"', b":", b",", b"{", b"}", b"[" * 300, b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"true",
    b"1e999", b"-", b"9" * 80, b'"say"', b'"plain"', b'"type":"up",', b'"ref":{},', b'"ref":"' + b"x" * 65 + b'",',
    b"\xff", b"\xed\xa0\x80", b" ", b"\n", b"/**/", b"NaN", b"\xef\xbb\xbf", b"\x00",
    b'"ref":1,"ref":2,',
]  # fmt: skip
#: What stands in the bytes of a connection: parts of frames, and lines of a head.
FRAMES = [
    b"\x00", b"\x80\x80" + bytes(4), b"\x89\x80" + bytes(4), b"\x8a\xfe\xff\xff", b"\x81\xfe\x00\x05",
    b"\x88\x82" + bytes(4), b"\xc1", b"\xf1", b"\x83\x80", b"\x81\x00", b"\x81\xff" + b"\xff" * 8,
    b"\r\n", b"/x", b"?name=", b"Origin: https://b\r\n", b"Cookie: a=b\r\n", b"Content-Length: 5\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"Sec-WebSocket-Protocol: a\r\n",
]  # fmt: skip
END = b'{"type": "up", "ref": "the end"}'
ANSWER = b'{"ref":"the end","type":"done","text":"1.0"}'


def frame(payload: bytes, opcode: int, final: bool = True) -> bytes:
    """A masked frame, whose mask changes nothing."""
    size = len(payload)
    length = struct.pack("!BH", 0xFE, size) if 125 < size < 65536 else struct.pack("!BQ", 0xFF, size)
    return bytes([0x80 * final | opcode]) + (bytes([0x80 | size]) if size < 126 else length) + bytes(4) + payload


def fragments(rng: random.Random, payload: bytes, opcode: int) -> bytes:
    """A message in up to five frames, with pings and pongs between them."""
    pieces = cut(rng, payload) or [b""]
    found = b""
    for number, piece in enumerate(pieces):
        found += frame(piece, 0 if number else opcode, number == len(pieces) - 1)
        if rng.random() < 0.3:
            found += frame(rng.randbytes(rng.choice((0, 4, 125))), rng.choice((9, 10)))
    return found


def frames_of(written: bytes) -> list[tuple[int, bytes]]:
    """The frames of a server: opcode and payload."""
    found = []
    at = 0
    while at < len(written):
        opcode, size = written[at] & 15, written[at + 1]
        assert written[at] & 0x80 and size < 128, "a server's frames are whole and not masked"
        at += 2
        if size == 126:
            size = int.from_bytes(written[at : at + 2], "big")
            at += 2
        elif size == 127:
            size = int.from_bytes(written[at : at + 8], "big")
            at += 8
        found.append((opcode, written[at : at + size]))
        at += size
    assert at == len(written)
    return found


def one(rng: random.Random) -> bytes:
    """A changed message or, as it begins like a request, a changed connection."""
    if rng.random() < 0.6:
        return mutate(rng, rng.choice(MESSAGES), WORDS)
    frames = [fragments(rng, rng.choice(MESSAGES), rng.choice((1, 2))) for _ in range(rng.randrange(1, 5))]
    ending = [b"", frame(b"\x03\xe8", 8), frame(b"", 8), frame(b"\x03\xe8\xff", 8)]
    # Changed anywhere, or in the frames alone, which are the smaller part.
    head, rest = HEAD, b"".join(frames) + rng.choice(ending)
    if rng.random() < 0.3:
        return mutate(rng, head + rest, FRAMES)
    return head + mutate(rng, rest, FRAMES)


def answered(chunks: list[bytes]) -> tuple[bytes, bytes]:
    """The head and the rest of what a connection writes for these bytes."""
    _, written, _ = connection.run(chunks)
    assert records.texts == [], records.texts
    assert Entered.count == 0, "a generator was not left"
    head, _, rest = written.partition(b"\r\n\r\n")
    return head, rest


def check_connection(rng: random.Random, data: bytes) -> str:
    head, rest = answered([*(cut(rng, data) if rng.random() < 0.5 else [data]), b""])
    if not head.startswith(b"HTTP/1.1 101 "):
        assert head == b"" or head.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), head
        return f"connection: {head[9:12].decode() or 'silent'}"
    opcodes = [opcode for opcode, _ in frames_of(rest)]
    assert set(opcodes) <= {1, 8, 10} and 8 not in opcodes[:-1], opcodes
    return "connection: closed" if opcodes[-1:] == [8] else "connection: open"


def check(rng: random.Random, payload: bytes) -> str:
    if payload.startswith(b"GET ") or b"HTTP/1.1" in payload:
        return check_connection(rng, payload)
    opcode = rng.choice((1, 2))
    data = (fragments(rng, payload, opcode) if rng.random() < 0.5 else frame(payload, opcode)) + frame(END, 1)
    head, rest = answered([HEAD, *(cut(rng, data) if rng.random() < 0.5 else [data]), b""])
    assert head.startswith(b"HTTP/1.1 101 ")
    (opcode, first), *others = [found for found in frames_of(rest) if found[0] != 10]
    if opcode == 8:  # text that is no UTF-8
        assert others == [] and first[:2] == struct.pack("!H", 1007), (first, others)
        return "closed"
    assert opcode == 1 and others == [(1, ANSWER)], (opcode, first, others)
    reply = json.loads(first)
    if reply["type"] == "done":
        return "done"
    assert reply["type"] == "error"
    return str(reply["code"])


if __name__ == "__main__":
    main(one, check)
