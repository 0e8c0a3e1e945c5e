"""Texts of ASCII and other texts, which a connection keeps in different forms, in every way of receiving them."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from apps import deaf
from peer import CONT, TEXT, frame

from memory import Memory, accepted
from wirefast import App, Limits, Rate, WebSocket, WebSocketDisconnect

# The first character beyond ASCII is at the beginning, in each word of a long text, at the end, or nowhere.
TEXTS = [
    "plain",
    "é",
    "",
    "a",
    "\x7f",
    "\x80",
    "\x00",
    "plain again",
    "x" * 200,
    "x" * 199 + "é",
    "é" + "x" * 199,
    "😀" * 70,
    *["x" * place + "€" + "x" * (40 - place) for place in range(0, 41, 5)],
    "plain" * 30_000,
    "naïve" * 30_000,
    "last",
]
Read = Callable[[WebSocket], Awaitable[Any]]


async def from_receive(websocket: WebSocket) -> Any:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    return message["text"]


async def from_json(websocket: WebSocket) -> Any:
    return (await websocket.receive_json())[0]


async def from_message(websocket: WebSocket) -> Any:
    return (await websocket.receive_message(list[str]))[0]


def in_json(text: str) -> str:
    return json.dumps([text], ensure_ascii=False)


# What receives a text, and what the peer sends for it.
WAYS: dict[str, tuple[Read, Callable[[str], str]]] = {
    "receive_text": (lambda websocket: websocket.receive_text(), str),
    "receive": (from_receive, str),
    "receive_json": (from_json, in_json),
    "receive_message": (from_message, in_json),
}


def service(read: Read, seen: list[Any], limits: Limits | None) -> App:
    app = App()

    @app.websocket("/", limits=limits)
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                text = await read(websocket)
                assert type(text) is str and text.isascii() is (max(text, default="") < "\x80")
                seen.append(text)
        except WebSocketDisconnect:
            pass

    return app


def receive_all(app: App, texts: list[str], at_once: bool) -> None:
    async def main() -> None:
        memory = Memory(app)
        peer = memory.open()
        while peer.status is None:
            await asyncio.sleep(0)
        frames = [frame(TEXT, text.encode()) for text in texts]
        for data in [b"".join(frames)] if at_once else frames:
            peer.receive(data)
            await asyncio.sleep(0)
        peer.close()
        await memory.ended()

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("at_once", [True, False], ids=["queued", "awaited"])
@pytest.mark.parametrize("limits", [None, Limits(messages=Rate(100_000, per=1.0))], ids=["plain", "limited"])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_gives_the_same_texts(way: str, limits: Limits | None, at_once: bool) -> None:
    read, sent = WAYS[way]
    seen: list[Any] = []
    receive_all(service(read, seen, limits), [sent(text) for text in TEXTS], at_once)
    assert seen == TEXTS


@pytest.mark.parametrize("before", [b"plain", "naïve".encode()])
@pytest.mark.parametrize("bad", [b"\xff", b"plain \xc3", b"\xc3" + b"x" * 100, b"x" * 64 + b"\xed\xa0\x80"])
def test_bad_text_after_text_of_each_form(before: bytes, bad: bytes) -> None:
    async def main() -> None:
        async with accepted(deaf) as peer:
            peer.receive(frame(TEXT, before) + frame(TEXT, bad))
            while peer.close_code is None:
                await asyncio.sleep(0.001)
            assert peer.close_code == 1007

    asyncio.run(asyncio.wait_for(main(), 60))


def test_fragments_between_texts_of_each_form() -> None:
    seen: list[Any] = []
    pieces = ["naïve text".encode()[:3], "naïve text".encode()[3:]]

    async def main() -> None:
        memory = Memory(service(WAYS["receive_text"][0], seen, None))
        peer = memory.open()
        for text in ("plain", "naïve", "plain"):
            peer.receive(frame(TEXT, text.encode()))
            peer.receive(frame(TEXT, pieces[0], fin=False) + frame(CONT, pieces[1]))
            peer.receive(frame(TEXT, b"", fin=False) + frame(CONT, b"whole"))
        peer.close()
        await memory.ended()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert seen == ["plain", "naïve text", "whole", "naïve", "naïve text", "whole", "plain", "naïve text", "whole"]


@pytest.mark.parametrize("character", ["x", "é"])
def test_unread_texts_of_each_form_pause_reading_at_the_same_size(
    character: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 MiB of payloads and 64 bytes for each message."""
    paused: list[bool] = []
    size = 60_000
    message = frame(TEXT, character.encode() * (size // len(character.encode())))

    async def main() -> None:
        async with accepted(deaf) as peer:
            monkeypatch.setattr(peer.transport, "pause_reading", lambda: paused.append(True))
            for _ in range(math.ceil(2**20 / (size + 64)) - 1):
                peer.receive(message)
            assert paused == []
            peer.receive(message)
            assert paused == [True]

    asyncio.run(main())


@pytest.mark.parametrize("fragments", [1, 3], ids=["one frame", "fragments"])
def test_long_texts_in_pieces(fragments: int) -> None:
    """The pieces are cut anywhere, also within a character. Each text ends in another form than the one before."""
    draw = random.Random(6455)
    plain = "The quick brown fox " * 2000
    texts = [
        plain,
        plain + "é",
        plain,
        "é" + plain,
        plain,
        plain[:-1] + "\x7f",
        *[cut_in(plain, draw) for _ in range(12)],
    ]
    seen: list[Any] = []

    async def main() -> None:
        memory = Memory(service(WAYS["receive_text"][0], seen, None))
        peer = memory.open()
        for text in texts:
            data = text.encode()
            places = [0, *sorted(draw.sample(range(1, len(data)), fragments - 1)), len(data)]
            stream = b"".join(
                frame(CONT if start else TEXT, data[start:stop], fin=stop == len(data))
                for start, stop in zip(places, places[1:], strict=False)
            )
            cuts = [0, *sorted(draw.sample(range(1, len(stream)), 9)), len(stream)]
            for start, stop in zip(cuts, cuts[1:], strict=False):
                peer.receive(stream[start:stop])
            await asyncio.sleep(0)
        peer.close()
        await memory.ended()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert seen == texts


def cut_in(text: str, draw: random.Random) -> str:
    """Put a character beyond ASCII, of each length in turn, somewhere into a text."""
    place = draw.randrange(len(text))
    return text[:place] + draw.choice("é€😀") + text[place:]


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3(", b"\xe2\x82"])
@pytest.mark.parametrize("before", ["", "é"])
def test_bad_bytes_at_the_end_of_a_long_text(before: str, bad: bytes) -> None:
    async def main() -> None:
        async with accepted(deaf) as peer:
            stream = frame(TEXT, b"x" * 50_000 + before.encode() + bad)
            for start in range(0, len(stream), 9_999):
                peer.receive(stream[start : start + 9_999])
            while peer.close_code is None:
                await asyncio.sleep(0.001)
            assert peer.close_code == 1007

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("cut", ["frames", "reads"])
def test_ascii_within_a_character(cut: str) -> None:
    """A piece that is ASCII alone comes while a sequence of bytes is not complete."""
    pieces = [b"x" * 300 + b"\xc3", b"xyz", b"\xa9" + b"x" * 300]

    async def main() -> None:
        async with accepted(deaf) as peer:
            if cut == "frames":
                for number, piece in enumerate(pieces):
                    peer.receive(frame(CONT if number else TEXT, piece, fin=number == 2))
            else:
                stream = frame(TEXT, b"".join(pieces))
                first = len(stream) - len(pieces[1] + pieces[2])
                for data in (stream[:first], stream[first : first + 3], stream[first + 3 :]):
                    peer.receive(data)
            while peer.close_code is None:
                await asyncio.sleep(0.001)
            assert peer.close_code == 1007

    asyncio.run(asyncio.wait_for(main(), 60))
