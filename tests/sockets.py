"""Sockets that a test holds in its hand: our protocol over a transport in memory, and WebSockets on a bare ASGI server.

Use within a running loop. Each kind can stall (the peer reads no more), resume, close and get lost.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import starlette.websockets

import wirefast
from asgi import websocket_scope
from memory import CLOSE, Memory, MemoryPeer

# Tasks and servers that go on; nothing else would keep some of them.
LIVE: set[Any] = set()
KINDS = ["ours", "ours by ASGI", "Starlette's"]


async def turns(count: int = 8) -> None:
    """Let the loop turn until what can happen has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


class Socket:
    """One accepted WebSocket and its peer."""

    websocket: Any

    async def open(self) -> Socket:
        raise NotImplementedError

    @property
    def messages(self) -> list[Any]:
        raise NotImplementedError

    @property
    def closed(self) -> tuple[int, str] | None:
        raise NotImplementedError


class OnOurs(Socket):
    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.memory = Memory(self.app)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        LIVE.add(self)
        websocket = self.websocket = wirefast.WebSocket(scope, receive, send)
        await websocket.accept()
        try:
            while True:
                await websocket.receive()
        except RuntimeError:
            pass
        finally:
            LIVE.discard(self)

    async def open(self) -> OnOurs:
        self.peer: MemoryPeer = self.memory.open()
        await turns()
        return self

    @property
    def messages(self) -> list[Any]:
        return self.peer.messages

    @property
    def closed(self) -> tuple[int, str] | None:
        ends = [data for opcode, data in self.peer.frames if opcode == CLOSE]
        return (struct.unpack("!H", ends[0][:2])[0], ends[0][2:].decode()) if ends else None

    def stall(self) -> None:
        self.peer.transport.protocol.pause_writing()

    def resume(self) -> None:
        self.peer.transport.protocol.resume_writing()

    def close(self) -> None:
        self.peer.close()

    def lose(self) -> None:
        self.peer.lose()


class OnAsgi(Socket):
    """A server whose ``send`` waits while the peer does not read."""

    def __init__(self, websocket_class: Any) -> None:
        self.websocket_class = websocket_class
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.sent: list[dict[str, Any]] = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = False

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        await self.writable.wait()
        if self.lost:
            raise OSError("gone")
        self.sent.append(message)

    async def open(self) -> OnAsgi:
        self.websocket = self.websocket_class(websocket_scope(), self.incoming.get, self.send)
        await self.websocket.accept()
        task = self.task = asyncio.create_task(self.listen())
        LIVE.add(task)
        task.add_done_callback(LIVE.discard)
        return self

    async def listen(self) -> None:
        while self.websocket.client_state is starlette.websockets.WebSocketState.CONNECTED:
            await self.websocket.receive()

    @property
    def messages(self) -> list[Any]:
        return [m.get("bytes", m.get("text")) for m in self.sent if m["type"] == "websocket.send"]

    @property
    def closed(self) -> tuple[int, str] | None:
        return next(((m["code"], m["reason"]) for m in self.sent if m["type"] == "websocket.close"), None)

    def stall(self) -> None:
        self.writable.clear()

    def resume(self) -> None:
        self.writable.set()

    def close(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000, "reason": ""})

    def lose(self) -> None:
        self.lost = True
        self.writable.set()
        self.task.cancel()


async def open_socket(kind: str) -> Any:
    if kind == "ours":
        return await OnOurs().open()
    return await OnAsgi(wirefast.WebSocket if kind == "ours by ASGI" else starlette.websockets.WebSocket).open()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario in a loop of its own, at most a minute."""
    asyncio.run(asyncio.wait_for(scenario(), 60))  # type: ignore[arg-type]
