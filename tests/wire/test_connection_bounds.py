"""Bounds of a connection that a network would hide: what is unread, and what is sent in one turn of the loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from apps import deaf

from memory import BINARY, accepted, client_frame


def test_a_few_large_messages_pause_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 MiB is unread, in fewer messages than ``ws_max_queue`` allows."""
    paused: list[bool] = []
    message = client_frame(BINARY, b"x" * 60000)

    async def main() -> None:
        async with accepted(deaf) as peer:
            monkeypatch.setattr(peer.transport, "pause_reading", lambda: paused.append(True))
            for _ in range(17):
                peer.receive(message)
            assert paused == []
            peer.receive(message)
            assert paused == [True]

    asyncio.run(main())


def test_a_sender_lets_the_loop_turn() -> None:
    """Once in 64 sends, though the transport takes them all."""
    turns: list[int] = [0]
    done: list[int] = []

    def turn() -> None:
        turns[0] += 1
        asyncio.get_running_loop().call_soon(turn)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        turn()
        for _ in range(10 * 64):
            await send({"type": "websocket.send", "text": "x"})
        done.append(turns[0])

    async def main() -> None:
        async with accepted(app) as peer:
            while not done:
                await asyncio.sleep(0)
            assert len(peer.messages) == 640

    asyncio.run(main())
    assert 10 <= done[0] <= 11
