"""Texts of ASCII and other texts, which a connection keeps in different forms, in every way of receiving them."""

from __future__ import annotations

import asyncio
import json
import math
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
