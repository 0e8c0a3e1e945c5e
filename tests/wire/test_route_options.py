"""max_size and send_timeout of one route, on real sockets and in memory: directly and through ASGI middleware."""

from __future__ import annotations

import asyncio
import copy
import threading
import zlib
from typing import Any

import pytest
from apps import Wrapping
from peer import BINARY, CONT, TEXT, close_frame, frame, request

from memory import Memory, MemoryPeer
from wirefast import APIRouter, App, WebSocket, WebSocketDisconnect

SERVER, ROUTE = 1000, 100
RSV1 = 0x40


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for data in websocket.iter_bytes():
        await websocket.send_bytes(data)


async def same(message: Any) -> Any:
    return message


def bounded() -> App:
    app, router, nested, mounted = App(), APIRouter(prefix="/in"), APIRouter(), App()
    for owner in (app, nested, mounted):
        owner.websocket("/bound", max_size=ROUTE)(echo)
        owner.websocket("/free")(echo)
    app.add_api_websocket_route("/added", echo, max_size=ROUTE)
    app.websocket("/larger", max_size=2 * SERVER)(echo)
    app.websocket("/packed", max_size=ROUTE, per_message_deflate=True)(echo)
    app.websocket_listener("/listener", max_size=ROUTE)(same)
    app.messages("/messages", max_size=ROUTE).on("x")(same)
    router.include_router(nested)
    app.include_router(router)
    app.mount("/sub", mounted)
    return app


BOUNDS = {
    "/bound": ROUTE, "/added": ROUTE, "/in/bound": ROUTE, "/sub/bound": ROUTE,
    "/free": SERVER, "/in/free": SERVER, "/sub/free": SERVER, "/larger": SERVER,
}  # fmt: skip


@pytest.mark.parametrize("wrapped", [False, True], ids=["direct", "asgi"])
def test_a_message_has_the_bound_of_its_route(serve: Any, wrapped: bool) -> None:
    app: Any = bounded()
    server = serve(Wrapping(app) if wrapped else app, ws_max_size=SERVER)
    for path, bound in BOUNDS.items():
        for pieces in (1, 2):
            with server.opened(path) as peer:
                whole, more = bytes(bound), bytes(bound + 1)
                for data in (whole, more):
                    first = len(data) // pieces
                    if pieces == 1:
                        peer.send(frame(BINARY, data))
                    else:
                        peer.send(frame(BINARY, data[:first], fin=False), frame(CONT, data[first:]))
                    if data is whole:
                        assert peer.frame() == (BINARY, whole, True, 0), path
                closed = peer.frame()
                assert (closed.code, closed.reason) == (1009, "message too big"), path


@pytest.mark.parametrize("wrapped", [False, True], ids=["direct", "asgi"])
@pytest.mark.parametrize("path", ["/listener", "/messages"])
def test_routes_of_messages_have_it_too(serve: Any, path: str, wrapped: bool) -> None:
    app: Any = bounded()
    server = serve(Wrapping(app) if wrapped else app, ws_max_size=SERVER)
    with server.opened(path) as peer:
        start, end = b'{"type":"x","text":"', b'"}'
        text = start + b"x" * (ROUTE - len(start) - len(end)) + end
        assert len(text) == ROUTE
        peer.send(frame(TEXT, text))
        assert peer.frame().opcode == TEXT
        peer.send(frame(TEXT, text + b" "))
        assert peer.frame().code == 1009


def test_it_bounds_what_is_inflated(serve: Any) -> None:
    server = serve(bounded(), ws_max_size=SERVER)
    for size, expected in ((ROUTE, BINARY), (ROUTE + 1, 8)):
        with server.peer() as peer:
            peer.send(request("/packed", headers=[("Sec-WebSocket-Extensions", "permessage-deflate")]))
            assert peer.response().header("sec-websocket-extensions")
            packer = zlib.compressobj(wbits=-12)
            packed = (packer.compress(bytes(size)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
            assert len(packed) < ROUTE // 2
            peer.send(frame(BINARY, packed, rsv=RSV1))
            assert peer.frame().opcode == expected


def test_it_holds_for_what_came_with_the_handshake(serve: Any) -> None:
    server = serve(bounded(), ws_max_size=SERVER)
    with server.peer() as peer:
        peer.send(request("/bound"), frame(BINARY, bytes(ROUTE + 1)))
        assert peer.response().status == 101
        assert peer.frame().code == 1009


@pytest.mark.parametrize("wrapped", [False, True], ids=["direct", "asgi"])
def test_a_send_that_waits_too_long_ends_the_connection(serve: Any, wrapped: bool) -> None:
    app, ended, seen = App(), threading.Event(), []

    @app.websocket("/pour", send_timeout=0.2)
    async def pour(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(bytes(65536))
        except WebSocketDisconnect as exc:
            seen.append(exc.code)
        ended.set()

    server = serve(Wrapping(app) if wrapped else app)
    with server.opened("/pour", rcvbuf=4096):
        assert ended.wait(20)
    assert seen == [1006]
    assert [line.partition(" - ")[2] for line in server.errors] == [
        "WebSocket closed with 1013: too slow: a send waited 0.2 s"
    ]


class Conversation:
    """An application in memory that sends when it is told to."""

    def __init__(self, **options: Any) -> None:
        self.app = App()
        self.app.websocket("/", **options)(self.endpoint)
        self.sends: list[asyncio.Task[None]] = []

    async def endpoint(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.websocket = websocket
        async for _ in websocket.iter_text():
            pass

    async def open(self) -> MemoryPeer:
        self.memory = Memory(self.app)
        peer = self.memory.open()
        while peer.status is None:
            await asyncio.sleep(0)
        return peer

    def send(self, text: str) -> asyncio.Task[None]:
        self.sends.append(asyncio.ensure_future(self.websocket.send_text(text)))
        return self.sends[-1]


def test_each_send_has_its_own_time() -> None:
    async def main() -> None:
        talk = Conversation(send_timeout=0.3)
        peer = await talk.open()
        protocol = peer.transport.protocol
        # What is taken in time is no failure, however often.
        for _ in range(4):
            protocol.pause_writing()
            waiting = talk.send("x")
            await asyncio.sleep(0.1)
            assert not waiting.done()
            protocol.resume_writing()
            await waiting
        # A send that was cancelled waits no longer.
        protocol.pause_writing()
        given_up = talk.send("given up")
        await asyncio.sleep(0.1)
        given_up.cancel()
        await asyncio.sleep(0.3)
        assert peer.close_code is None
        later = talk.send("late")
        with pytest.raises(WebSocketDisconnect):
            await later
        assert peer.close_code == 1013 and peer.frames[-1][1][2:] == b"too slow: a send waited 0.3 s"
        peer.lose()
        await talk.memory.ended()

    asyncio.run(main())


def test_without_it_a_send_waits_for_ever() -> None:
    async def main() -> None:
        talk = Conversation()
        peer = await talk.open()
        peer.transport.protocol.pause_writing()
        waiting = talk.send("x")
        before = len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert len(asyncio.get_running_loop()._scheduled) == before  # type: ignore[attr-defined]
        peer.transport.protocol.resume_writing()
        await waiting
        peer.lose()
        await talk.memory.ended()

    asyncio.run(main())


def test_any_application_may_configure_until_it_accepts(serve: Any) -> None:
    failures: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        server = scope["extensions"]["wirefast"]
        for options in ({"max_size": 0}, {"send_timeout": -1}, {"max_size": "many"}, {"send_timeout": "long"}):
            with pytest.raises((ValueError, TypeError)):
                server.configure(**options)
        copy.deepcopy(server).configure(max_size=ROUTE)  # as of a copied scope
        await send({"type": "websocket.accept"})
        try:
            server.configure(max_size=1)
        except RuntimeError as exc:
            failures.append(str(exc))
        await receive()
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"]})

    with serve(app).opened() as peer:
        peer.send(frame(BINARY, bytes(ROUTE)))
        assert peer.frame().data == bytes(ROUTE)
        peer.send(close_frame())
        assert peer.frame().code == 1000
    assert failures == ["the options of a WebSocket are set before its handshake is answered"]
