"""Whose end an exception tells of that leaves an application: only its own socket's is a normal end."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from peer import BINARY, TEXT, close_frame, frame, request
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketDisconnect

from wirefast import App, WebSocket
from wirefast.routing import APIWebSocketRoute

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

finished: asyncio.Event


@pytest.fixture
def serve(serve: Any) -> Iterator[Any]:
    """Servers whose idle handlers end with the test."""
    global finished
    finished = asyncio.Event()
    servers = []

    def served(*args: Any, **options: Any) -> Any:
        servers.append(serve(*args, **options))
        return servers[-1]

    yield served
    for server in servers:
        server.call(finished.set)


def by_starlette(scope: Any, receive: Any, send: Any) -> Any:
    return StarletteWebSocket(scope, receive, send)


def by_asgi(scope: Any, receive: Any, send: Any) -> Any:
    async def wrapped(message: Any) -> None:
        await send(message)

    return WebSocket(scope, receive, wrapped)


async def sends(websocket: Any) -> None:
    while True:
        await websocket.send_text("x")
        await asyncio.sleep(0)


async def receives(websocket: Any) -> None:
    while True:
        await websocket.receive_text()


async def failure_of(awaitable: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011, B017 - whatever it is
        await awaitable
    return caught.value


async def in_a_group(websocket: Any) -> None:
    failure = await failure_of(receives(websocket))
    raise ExceptionGroup("", [WebSocketDisconnect(1000), ExceptionGroup("", [failure])])


@pytest.mark.parametrize("use", [sends, receives, in_a_group])
@pytest.mark.parametrize("before", ["accepted", "before the accept", "its own peer is gone too"])
@pytest.mark.parametrize("make", [WebSocket, by_asgi, by_starlette])
def test_the_disconnect_of_another_socket_is_an_error(serve: Any, make: Any, before: str, use: Any) -> None:
    """As it is under uvicorn: 1011 and one traceback; a disconnect of its own is a normal end."""
    sockets: dict[str, Any] = {}
    gone = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = sockets[scope["path"]] = make(scope, receive, send)
        if scope["path"] != "/alive" or before != "before the accept":
            await websocket.accept()
        if scope["path"] == "/dead":
            await finished.wait()
        if scope["path"] == "/own":
            while True:
                await websocket.send_text(await websocket.receive_text())
        if before == "accepted":
            assert await websocket.receive_text() == "go"
        elif before != "before the accept":
            with pytest.raises(Exception, match=r"1006|1000|^$"):
                await websocket.receive_text()
        gone.set()
        await use(sockets["/dead"])

    server = serve(app)
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
    assert record.exc_info[0].__name__ == ("ExceptionGroup" if use is in_a_group else "WebSocketDisconnect")


@pytest.mark.parametrize("make", [WebSocket, by_asgi])
@pytest.mark.parametrize("sent", [frame(TEXT, b"{"), frame(BINARY, b"{}")])
def test_the_bad_data_of_another_socket_is_an_error(serve: Any, make: Any, sent: bytes) -> None:
    sockets: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = sockets[scope["path"]] = make(scope, receive, send)
        await websocket.accept()
        if scope["path"] == "/other":
            await finished.wait()
        await sockets["/other"].receive_json()

    server = serve(app)
    server.opened("/other").send(sent)
    peer = server.opened("/alive")
    assert peer.frame().code == 1011
    peer.send(close_frame(1011))
    assert peer.ended() and server.errors == ["Exception in ASGI application\n"]


@pytest.mark.parametrize("middleware", [False, True], ids=["direct", "by ASGI"])
@pytest.mark.parametrize("kind", ["App", "Starlette"])
@pytest.mark.parametrize("use", [sends, receives, in_a_group])
def test_the_disconnect_of_another_socket_of_an_application(serve: Any, kind: str, middleware: bool, use: Any) -> None:
    sockets: list[Any] = []
    functions: dict[str, Any] = {}

    def route(path: str) -> Any:
        return lambda function: functions.setdefault(path, function)

    @route("/dead")
    async def dead(websocket: StarletteWebSocket) -> None:
        await websocket.accept()
        sockets.append(websocket)
        await finished.wait()

    @route("/alive")
    async def alive(websocket: StarletteWebSocket) -> None:
        await websocket.accept()
        await use(sockets[0])

    @route("/own")
    async def own(websocket: StarletteWebSocket) -> None:
        await websocket.accept()
        await use(websocket)

    class Passing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def received() -> Any:
                return await receive()

            await self.app(dict(scope), received, send)

    app = Starlette(routes=[WebSocketRoute(path, function) for path, function in functions.items()])
    if kind == "App":
        app = App(routes=[APIWebSocketRoute(path, function) for path, function in functions.items()])
    server = serve(Passing(app) if middleware else app)
    server.opened("/dead").reset()
    own_peer = server.opened("/own")
    own_peer.send(close_frame())
    assert own_peer.ended()
    peer = server.opened("/alive")
    assert peer.frame().code == 1011
    peer.send(close_frame(1011))
    assert peer.ended() and server.errors == ["Exception in ASGI application\n"]


@pytest.mark.parametrize("middleware", [False, True], ids=["direct", "by ASGI"])
@pytest.mark.parametrize("use", [sends, receives, in_a_group])
@pytest.mark.parametrize("where", ["on_connect", "a message", "concurrent", "stream"])
def test_the_disconnect_of_another_socket_in_typed_messages(
    serve: Any, caplog: pytest.LogCaptureFixture, where: str, use: Any, middleware: bool
) -> None:
    """An error of the handler: the client is told so, and the log has one traceback."""
    sockets: list[Any] = []
    app = App()

    @app.websocket("/dead")
    async def dead(websocket: WebSocket) -> None:
        await websocket.accept()
        sockets.append(websocket)
        await finished.wait()

    if where == "stream":

        @app.websocket_stream("/alive")
        async def stream() -> Any:
            yield "first"
            await use(sockets[0])

    else:
        alive = app.messages("/alive")

        if where == "on_connect":

            @alive.on_connect
            async def connected() -> None:
                await use(sockets[0])

        @alive.on("go", concurrent=where == "concurrent")
        async def go() -> None:
            await use(sockets[0])

    class Passing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def received() -> Any:
                return await receive()

            await self.app(dict(scope), received, send)

    server = serve(Passing(app) if middleware else app)
    server.opened("/dead").reset()
    if where == "on_connect":
        peer = server.peer()
        assert peer.send(request("/alive")).response().status == 500
        assert server.errors == ["Exception in ASGI application\n"]
        return
    peer = server.opened("/alive")
    if where == "stream":
        assert peer.frame().data == b"first"
    else:
        peer.send(frame(TEXT, b'{"type": "go"}'))
    told = peer.frame()
    assert told.code == 1011 if where == "stream" else b'"internal"' in told.data
    failed = [record for record in caplog.records if record.exc_info]
    (text,) = [record.getMessage() for record in failed]
    assert text.startswith("A message handler failed: ") and text.endswith(", path '/alive'")
