"""Messages over one connection: each way to receive and to send, errors and cancellations on the way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from leaks import COUNT, check

from asgi import websocket_scope
from wirefast import WebSocket
from wirefast.websockets import UnexpectedFrame, WebSocketState


class Peer:
    """Gives one message, at once or after a wait, and counts what it gets."""

    def __init__(self) -> None:
        self.message: Any = None
        self.waits = False
        self.count = 0

    async def receive(self) -> Any:
        if self.waits:
            await asyncio.sleep(0)
        return {"type": "websocket.receive", **self.message}

    async def send(self, message: Any) -> None:
        if self.waits:
            await asyncio.sleep(0)
        self.count += 1

    def gives(self, i: int, **message: Any) -> None:
        self.message = message
        self.waits = i % 2 == 0


peer = Peer()
websocket = WebSocket(websocket_scope(), peer.receive, peer.send)
websocket.client_state = websocket.application_state = WebSocketState.CONNECTED


async def texts(i: int) -> None:
    peer.gives(i, text=f"message {i}")
    await websocket.send_text(await websocket.receive_text())


async def binary(i: int) -> None:
    peer.gives(i, bytes=b"%d" % i)
    await websocket.send_bytes(await websocket.receive_bytes())


async def documents(i: int) -> None:
    peer.gives(i, text=f'{{"a":[{i},1.5,"x"],"long":{10**25 + i}}}')
    value = await websocket.receive_json()
    assert value["long"] == 10**25 + i
    await websocket.send_json(value)
    await websocket.send_json({i: {1}}, mode="binary")


async def errors(i: int) -> None:
    peer.gives(i, text="{" * (1 + i % 50))
    try:
        await websocket.receive_json()
    except json.JSONDecodeError:
        pass
    try:
        await websocket.receive_bytes()
    except UnexpectedFrame:
        pass
    try:
        await websocket.send_json(object())
    except TypeError:
        pass


async def cancellations(i: int) -> None:
    peer.gives(0, text="never")
    task = asyncio.ensure_future(websocket.receive_text())
    if i % 2:
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def abandoned(i: int) -> None:
    """Driven by hand to its first wait, then dropped."""
    peer.gives(0, text="never")
    websocket.receive_text().send(None)
    websocket.receive().send(None)


if __name__ == "__main__":
    for work in (texts, binary, documents, errors, cancellations, abandoned):
        check(work, COUNT // (1 if work in (texts, binary) else 4))
