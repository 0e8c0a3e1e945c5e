"""How a handler hears of its peer's end where a send of somebody else has found out first: as if nobody had sent."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Literal

import fastapi
import pytest
import starlette.websockets
from peer import TEXT, close_frame, frame
from pydantic import BaseModel

import wirefast
from wirefast.messages import Disconnect
from wirefast.rooms import Hub

PATIENCE = 20.0
SERVERS = {
    "ours": {},
    "websockets-sansio": {"ws": "websockets-sansio"},
    "wsproto": {"ws": "wsproto"},
}


def left(leaves: str, server: str) -> tuple[int, str]:
    """What a server says of a peer that leaves so."""
    if leaves == "closes":
        return 4001, "bye"
    return (1006 if server == "ours" else 1005), ""


def plain(app: Any) -> Any:
    return app


def wrapped(app: Any) -> Any:
    """A middleware, so that messages go by ASGI also on our server."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def its_receive() -> Any:
            return await receive()

        async def its_send(message: Any) -> None:
            await send(message)

        if scope["type"] == "websocket":
            await app(scope, its_receive, its_send)
        else:
            await app(scope, receive, send)

    return middleware


async def iterates(websocket: Any) -> Any:
    return [text async for text in websocket.iter_text()]


async def receives(websocket: Any) -> Any:
    message = await websocket.receive()
    assert message["type"] == "websocket.disconnect"
    return message["code"], message.get("reason") or ""


async def receives_text(websocket: Any) -> Any:
    with pytest.raises(starlette.websockets.WebSocketDisconnect) as raised:
        await websocket.receive_text()
    return raised.value.code, raised.value.reason


async def sends(websocket: Any) -> Any:
    with pytest.raises(starlette.websockets.WebSocketDisconnect) as raised:
        await websocket.send_text("x")
    return raised.value.code, raised.value.reason


async def sends_and_receives(websocket: Any) -> Any:
    """A handler that goes on although its own send has told it."""
    assert await sends(websocket) == (1006, "")
    return await receives_text(websocket)


async def closes(websocket: Any) -> Any:
    """Allowed, or the same as sending; nothing else is known to have closed."""
    try:
        await websocket.close()
    except starlette.websockets.WebSocketDisconnect as exc:
        return exc.code, exc.reason
    return 1006, ""


THEN = {
    iterates: lambda left: [],
    receives: lambda left: left,
    receives_text: lambda left: left,
    sends: lambda left: (1006, ""),
    closes: lambda left: (1006, ""),
}


class Scene:
    """One socket in a room. When its peer has left, somebody sends until that has been found out; then ``act``."""

    def __init__(self, make: Any, websocket_class: Any, act: Any, find_out: Any) -> None:
        self.hub = Hub()
        self.app = make()
        self.outcome: Any = None
        self.done = threading.Event()
        self.left = threading.Event()

        async def endpoint(websocket: Any) -> None:
            await websocket.accept()
            try:
                async with self.hub.join("room", websocket):
                    await websocket.send_text("joined")
                    while not self.left.is_set():
                        await asyncio.sleep(0.001)
                    # In another task, as it is where others publish.
                    await asyncio.wait_for(asyncio.create_task(find_out(self.hub, websocket)), PATIENCE)
                    self.outcome = await asyncio.wait_for(act(websocket), PATIENCE)
            finally:
                self.done.set()

        endpoint.__annotations__["websocket"] = websocket_class
        self.app.websocket("/")(endpoint)

    def run(self, serve: Any, wrap: Any, leaves: str, **settings: Any) -> Any:
        server = serve(wrap(self.app), **settings)
        peer = server.opened("/", timeout=PATIENCE)
        assert peer.frame().data == b"joined"
        if leaves == "closes":
            peer.send(close_frame(4001, "bye"))
            peer.sock.close()
        else:
            peer.reset()
        self.left.set()
        assert self.done.wait(2 * PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while server.call(lambda: len(server.server.server_state.tasks)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [line for line in server.errors if "xception" in line] == []
        return self.outcome


async def publish(hub: Hub, websocket: Any) -> None:
    while hub.count("room"):
        await hub.publish("room", "x")
        await asyncio.sleep(0)


async def send_plainly(hub: Hub, websocket: Any) -> None:
    """As another handler does that has a list of sockets."""
    try:
        while True:
            await websocket.send_text("x")
            await asyncio.sleep(0)
    except starlette.websockets.WebSocketDisconnect:
        pass


MAKERS = {"wirefast": (wirefast.App, wirefast.WebSocket), "FastAPI": (fastapi.FastAPI, fastapi.WebSocket)}


@pytest.mark.parametrize("act", THEN, ids=lambda act: act.__name__)
@pytest.mark.parametrize("leaves", ["closes", "resets"])
@pytest.mark.parametrize("wrap", [plain, wrapped], ids=lambda wrap: wrap.__name__)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("maker", MAKERS)
def test_after_a_hub_found_out(maker: str, server: str, wrap: Any, leaves: str, act: Any, serve: Any) -> None:
    outcome = Scene(*MAKERS[maker], act, publish).run(serve, wrap, leaves, **SERVERS[server])
    assert outcome == THEN[act](left(leaves, server))


@pytest.mark.parametrize("act", [*THEN, sends_and_receives], ids=lambda act: act.__name__)
@pytest.mark.parametrize("wrap", [plain, wrapped], ids=lambda wrap: wrap.__name__)
@pytest.mark.parametrize("server", SERVERS)
def test_after_another_handler_found_out(server: str, wrap: Any, act: Any, serve: Any) -> None:
    """With our class. Starlette's takes the application for the one that closed, whoever sent."""
    outcome = Scene(*MAKERS["wirefast"], act, send_plainly).run(serve, wrap, "closes", **SERVERS[server])
    assert outcome == {**THEN, sends_and_receives: lambda left: left}[act](left("closes", server))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("maker", MAKERS)
def test_a_handler_that_publishes_to_its_own_room(maker: str, server: str, serve: Any) -> None:
    """The echo of a chat, whose peers leave while they are answered: no error, and each handler ends."""
    make, websocket_class = MAKERS[maker]
    hub, app = Hub(), make()
    ended = threading.Semaphore(0)

    async def endpoint(websocket: Any) -> None:
        await websocket.accept()
        async with hub.join("room", websocket):
            async for text in websocket.iter_text():
                await hub.publish("room", text)
        ended.release()

    endpoint.__annotations__["websocket"] = websocket_class
    app.websocket("/")(endpoint)
    running = serve(wrapped(app), **SERVERS[server])
    for number in range(20):
        peer = running.opened("/", timeout=PATIENCE)
        peer.send(b"".join(frame(TEXT, b"hello") for _ in range(5)) + (close_frame(1001) if number % 2 else b""))
        peer.reset()
    for _ in range(20):
        assert ended.acquire(timeout=PATIENCE)
    assert [line for line in running.errors if "xception" in line] == []
    assert hub.stats.sockets == 0


class Go(BaseModel):
    type: Literal["go"]


@pytest.mark.parametrize("wrap", [plain, wrapped], ids=lambda wrap: wrap.__name__)
@pytest.mark.parametrize("server", SERVERS)
def test_a_message_session_hears_how_its_peer_left(server: str, wrap: Any, serve: Any) -> None:
    hub, app = Hub(), wirefast.App()
    room = app.messages("/")
    has_left, ended = threading.Event(), threading.Event()
    ends: list[Any] = []

    @room.on_connect
    async def joined(websocket: wirefast.WebSocket) -> None:
        await websocket.accept()
        await hub.join("room", websocket)

    @room.on
    async def go(message: Go, websocket: wirefast.WebSocket) -> None:
        while not has_left.is_set():
            await asyncio.sleep(0.001)
        await asyncio.wait_for(asyncio.create_task(publish(hub, websocket)), PATIENCE)

    @room.on_disconnect
    async def disconnected(end: Disconnect) -> None:
        ends.append((end.code, end.reason))
        ended.set()

    running = serve(wrap(app), **SERVERS[server])
    peer = running.opened("/", timeout=PATIENCE)
    peer.send(frame(TEXT, b'{"type":"go"}'))
    peer.send(close_frame(4001, "bye"))
    peer.sock.close()
    has_left.set()
    assert ended.wait(PATIENCE)
    assert ends == [(4001, "bye")]
    assert [line for line in running.errors if "xception" in line] == []


async def receives_of_another(dead: Any) -> None:
    await dead.receive_text()


async def sends_twice_to_another(dead: Any) -> None:
    """The second time, when it is known to have ended."""
    with pytest.raises(starlette.websockets.WebSocketDisconnect):
        while True:
            await dead.send_text("x")
            await asyncio.sleep(0)
    await asyncio.create_task(send_once(dead))


async def send_once(dead: Any) -> None:
    await dead.send_text("x")


async def sends_to_one_that_a_hub_found_out(dead: Any) -> None:
    while dead.try_send("x") != "dropped":
        await asyncio.sleep(0)
    await dead.send_text("x")


@pytest.mark.parametrize(
    ("act", "wrap"),
    [
        # Not wrapped: an ASGI message does not say whose it is.
        (receives_of_another, plain),
        (sends_twice_to_another, plain),
        (sends_twice_to_another, wrapped),
        (sends_to_one_that_a_hub_found_out, plain),
        (sends_to_one_that_a_hub_found_out, wrapped),
    ],
    ids=lambda function: function.__name__,
)
def test_the_disconnect_of_another_socket_is_this_handlers_error(act: Any, wrap: Any, serve: Any) -> None:
    """1011 and one traceback, however it was raised."""
    app = wirefast.App()
    sockets: list[Any] = []

    @app.websocket("/dead")
    async def dead(websocket: wirefast.WebSocket) -> None:
        await websocket.accept()
        sockets.append(websocket)
        await asyncio.Event().wait()

    @app.websocket("/")
    async def endpoint(websocket: wirefast.WebSocket) -> None:
        await websocket.accept()
        assert await websocket.receive_text() == "go"
        await asyncio.wait_for(act(sockets[0]), PATIENCE)

    server = serve(wrap(app), timeout_graceful_shutdown=1)
    server.opened("/dead").reset()
    peer = server.opened("/", timeout=PATIENCE)
    peer.send(frame(TEXT, b"go"))
    assert peer.frame().code == 1011
    peer.send(close_frame(1011))
    assert peer.ended()
    assert [line for line in server.errors if "xception" in line] == ["Exception in ASGI application\n"]
