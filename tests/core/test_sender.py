"""The outbox in front of another server's ``send``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from asgi import websocket_scope
from wirefast import WebSocket
from wirefast._core import asgi_socket
from wirefast.rooms import Hub


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


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("by_hub", [True, False])
def test_a_receive_tells_how_the_peer_left_whoever_found_out(told: bool, by_hub: bool, monkeypatch: Any) -> None:
    """As the server tells it; 1006 where a server never does."""
    monkeypatch.setattr(asgi_socket, "LAST_PATIENCE", 5.0 if told else 0.01)

    async def main() -> None:
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        inbox.put_nowait({"type": "websocket.connect"})

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                raise ConnectionResetError("gone")

        websocket = WebSocket({"type": "websocket"}, inbox.get, send)
        await websocket.accept()
        if by_hub:
            assert websocket.try_send("x") == "queued"
            await until(lambda: websocket.buffered.messages == 0 and not websocket.connected)
        else:
            with pytest.raises(WebSocketDisconnect):
                await asyncio.create_task(send_text(websocket))
        with pytest.raises(WebSocketDisconnect) as sent:
            await websocket.send_text("y")
        assert sent.value.code == 1006 and isinstance(sent.value, RuntimeError)
        if told:
            inbox.put_nowait({"type": "websocket.receive", "text": "last words"})
            assert await websocket.receive_text() == "last words"
            inbox.put_nowait({"type": "websocket.disconnect", "code": 4001, "reason": "bye"})
        with pytest.raises(WebSocketDisconnect) as raised:
            await websocket.receive_text()
        assert (raised.value.code, raised.value.reason) == ((4001, "bye") if told else (1006, ""))
        with pytest.raises(RuntimeError):
            await websocket.receive_text()

    async def send_text(websocket: WebSocket) -> None:
        await websocket.send_text("x")

    asyncio.run(main())


def test_a_receive_after_a_lost_send_may_be_cancelled() -> None:
    async def main() -> None:
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        inbox.put_nowait({"type": "websocket.connect"})

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                raise ConnectionResetError("gone")

        websocket = WebSocket({"type": "websocket"}, inbox.get, send)
        await websocket.accept()
        websocket.try_send("x")
        await until(lambda: not websocket.connected)
        receiving = asyncio.create_task(websocket.receive_text())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        inbox.put_nowait({"type": "websocket.receive", "text": "kept"})
        assert await websocket.receive_text() == "kept"

    asyncio.run(main())


def test_a_close_of_the_handler_is_not_undone() -> None:
    """The sender of a hub finds the peer gone while the handler closes, with Starlette's class."""

    async def main() -> None:
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        inbox.put_nowait({"type": "websocket.connect"})
        released = asyncio.Event()

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                await released.wait()
                raise ConnectionResetError("gone")

        hub = Hub()
        websocket = StarletteWebSocket(websocket_scope(), inbox.get, send)
        await websocket.accept()
        await hub.join("room", websocket)
        await hub.publish("room", "x")
        await asyncio.sleep(0)
        closing = asyncio.create_task(websocket.close())
        await asyncio.sleep(0)
        released.set()
        with contextlib.suppress(WebSocketDisconnect):
            await closing
        assert websocket.application_state is WebSocketState.DISCONNECTED and hub.count("room") == 0

    asyncio.run(main())
