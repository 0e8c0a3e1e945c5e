"""The outbox in front of another server's ``send``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wirefast import WebSocket


async def until(condition: Callable[[], bool]) -> None:
    async def turning() -> None:
        while not condition():
            await asyncio.sleep(0)

    await asyncio.wait_for(turning(), 20)


def test_a_plain_send_that_waits_is_counted_in_bytes_of_utf_8() -> None:
    sent: list[Any] = []

    async def main() -> None:
        taken = asyncio.Event()

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message.get("text"))
            if message["type"] == "websocket.send":
                await taken.wait()

        websocket = WebSocket({"type": "websocket"}, receive, send)
        await websocket.accept()
        assert websocket.try_send("first") == "queued"
        await until(lambda: sent == [None, "first"])
        plain = asyncio.create_task(websocket.send_text("é€𝄞"))
        await until(lambda: websocket.buffered.messages == 1)
        assert websocket.buffered.bytes == 2 + 3 + 4
        taken.set()
        await plain
        assert websocket.buffered.messages == 0

    asyncio.run(main())
    assert sent == [None, "first", "é€𝄞"]
