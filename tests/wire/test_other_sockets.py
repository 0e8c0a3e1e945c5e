"""What a handler does to sockets that are not its own."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import starlette.websockets
from peer import TEXT, close_frame, frame, request

from wirefast import WebSocket


def by_starlette(scope: Any, receive: Any, send: Any) -> Any:
    return starlette.websockets.WebSocket(scope, receive, send)


def by_asgi(scope: Any, receive: Any, send: Any) -> Any:
    async def wrapped(message: Any) -> None:
        await send(message)

    return WebSocket(scope, receive, wrapped)


@pytest.mark.parametrize("before", ["accepted", "before the accept", "its own peer is gone too"])
@pytest.mark.parametrize("make", [WebSocket, by_asgi, by_starlette])
def test_the_disconnect_of_another_socket_is_an_error(serve: Any, make: Any, before: str) -> None:
    """As it is under uvicorn: 1011 and one traceback; a disconnect of its own is a normal end."""
    sockets: dict[str, Any] = {}
    gone = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = sockets[scope["path"]] = make(scope, receive, send)
        if scope["path"] != "/alive" or before != "before the accept":
            await websocket.accept()
        if scope["path"] == "/dead":
            await asyncio.Event().wait()
        if scope["path"] == "/own":
            while True:
                await websocket.send_text(await websocket.receive_text())
        if before == "accepted":
            assert await websocket.receive_text() == "go"
        elif before != "before the accept":
            with pytest.raises(Exception, match=r"1006|1000|^$"):
                await websocket.receive_text()
        gone.set()
        while True:
            await sockets["/dead"].send_text("x")
            await asyncio.sleep(0)

    server = serve(app, timeout_graceful_shutdown=1)
    server.opened("/dead").reset()
    own = server.opened("/own")
    own.send(close_frame())
    assert own.frame().code == 1000 and own.ended()
    peer = server.peer()
    peer.send(request("/alive"))
    if before == "before the accept":
        assert peer.response().status == 500
    else:
        assert peer.response().status == 101
        peer.send(frame(TEXT, b"go") if before == "accepted" else close_frame())
        assert peer.frame().code == (1011 if before == "accepted" else 1000)
        peer.send(close_frame(1011))
    assert peer.ended() and gone.wait(20)
    deadline = time.monotonic() + 20
    while not server.errors:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert server.errors == ["Exception in ASGI application\n"]
    (record,) = [record for record in server.records if record.levelname == "ERROR"]
    assert record.exc_info[0].__name__ == "WebSocketDisconnect"
