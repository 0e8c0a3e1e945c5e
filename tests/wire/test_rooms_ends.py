"""How a handler hears of its peer's end where a send of somebody else has found out first: as if nobody had sent."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Literal

import fastapi
import pytest
import starlette.websockets
from pydantic import BaseModel

import wirefast
import wirefast.server
from ways import OURS, live_by, way
from wirefast.messages import Disconnect
from wirefast.rooms import Hub
from wirefast.testing import Live, Peer
from wirefast.testing.frames import CLOSE, close_body

OTHERS = [way(name, server="real", ws=name) for name in ("websockets-sansio", "wsproto")]
live = live_by(*OURS, *OTHERS)
PATIENCE = 20.0


async def leave(peer: Peer, leaves: str) -> tuple[int, str]:
    """Go without waiting for an answer; what the server says of it."""
    if leaves == "closes":
        await peer.send_frame(CLOSE, close_body(4001, "bye"))
        peer.half_close()
        return 4001, "bye"
    peer.reset()
    # A subclass of ours where an earlier test of this process has turned metrics on.
    ours = issubclass(peer._live._server.config.ws_protocol_class, wirefast.server.WebSocketProtocol)
    return (1006 if ours else 1005), ""


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
        self.outcome: list[Any] = []
        self.left = asyncio.Event()

        async def endpoint(websocket: Any) -> None:
            await websocket.accept()
            async with self.hub.join("room", websocket):
                await websocket.send_text("joined")
                await self.left.wait()
                # In another task, as it is where others publish.
                await asyncio.wait_for(asyncio.create_task(find_out(self.hub, websocket)), PATIENCE)
                self.outcome.append(await asyncio.wait_for(act(websocket), PATIENCE))

        endpoint.__annotations__["websocket"] = websocket_class
        self.app.websocket("/")(endpoint)

    async def run(self, live: Live, wrap: Any, leaves: str) -> tuple[Any, Any]:
        """What ``act`` has returned, and what the server says of a peer that leaves so."""
        await live.start(wrap(self.app))
        peer = await live.connect("/", keep=True)
        await peer.expect("joined")
        left = await leave(peer, leaves)
        await live.settle()
        self.left.set()
        await live.until(lambda: self.outcome, within=PATIENCE)
        return self.outcome[0], left


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
@pytest.mark.parametrize("maker", MAKERS)
async def test_after_a_hub_found_out(live: Live, maker: str, wrap: Any, leaves: str, act: Any) -> None:
    outcome, left = await Scene(*MAKERS[maker], act, publish).run(live, wrap, leaves)
    assert outcome == THEN[act](left)


@pytest.mark.parametrize("act", [*THEN, sends_and_receives], ids=lambda act: act.__name__)
@pytest.mark.parametrize("wrap", [plain, wrapped], ids=lambda wrap: wrap.__name__)
async def test_after_another_handler_found_out(live: Live, wrap: Any, act: Any) -> None:
    """With our class. Starlette's takes the application for the one that closed, whoever sent."""
    outcome, left = await Scene(*MAKERS["wirefast"], act, send_plainly).run(live, wrap, "closes")
    assert outcome == {**THEN, sends_and_receives: lambda left: left}[act](left)


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_handler_that_publishes_to_its_own_room(live: Live, maker: str) -> None:
    """The echo of a chat, whose peers leave while they are answered: no error, and each handler ends."""
    make, websocket_class = MAKERS[maker]
    hub, app, ended = Hub(), make(), []

    async def endpoint(websocket: Any) -> None:
        await websocket.accept()
        async with hub.join("room", websocket):
            async for text in websocket.iter_text():
                await hub.publish("room", text)
        ended.append("one")

    endpoint.__annotations__["websocket"] = websocket_class
    app.websocket("/")(endpoint)
    await live.start(wrapped(app))
    for number in range(20):
        peer = await live.connect("/", keep=True)
        with contextlib.suppress(ConnectionError):
            await peer.send_all(*["hello"] * 5)
            if number % 2:
                await peer.send_frame(CLOSE, close_body(1001, ""))
        peer.reset()
    await live.until(lambda: len(ended) == 20, within=PATIENCE)
    assert hub.stats.sockets == 0


class Go(BaseModel):
    type: Literal["go"]


@pytest.mark.parametrize("wrap", [plain, wrapped], ids=lambda wrap: wrap.__name__)
async def test_a_message_session_hears_how_its_peer_left(live: Live, wrap: Any) -> None:
    hub, app = Hub(), wirefast.App()
    room = app.messages("/")
    has_left = asyncio.Event()
    ends: list[Any] = []

    @room.on_connect
    async def joined(websocket: wirefast.WebSocket) -> None:
        await websocket.accept()
        await hub.join("room", websocket)

    @room.on
    async def go(message: Go, websocket: wirefast.WebSocket) -> None:
        await has_left.wait()
        await asyncio.wait_for(asyncio.create_task(publish(hub, websocket)), PATIENCE)

    @room.on_disconnect
    async def disconnected(end: Disconnect) -> None:
        ends.append((end.code, end.reason))

    await live.start(wrap(app))
    peer = await live.connect("/", keep=True)
    await peer.send({"type": "go"})
    await leave(peer, "closes")
    has_left.set()
    await live.until(lambda: ends, within=PATIENCE)
    assert ends == [(4001, "bye")]


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
@pytest.mark.parametrize("live", OURS, indirect=True)
async def test_the_disconnect_of_another_socket_is_this_handlers_error(live: Live, act: Any, wrap: Any) -> None:
    """1011 and one traceback, however it was raised."""
    app = wirefast.App()
    sockets: list[Any] = []
    over = asyncio.Event()

    @app.websocket("/dead")
    async def dead(websocket: wirefast.WebSocket) -> None:
        await websocket.accept()
        sockets.append(websocket)
        await over.wait()

    @app.websocket("/")
    async def endpoint(websocket: wirefast.WebSocket) -> None:
        await websocket.accept()
        assert await websocket.receive_text() == "go"
        await asyncio.wait_for(act(sockets[0]), PATIENCE)

    await live.start(wrap(app))
    (await live.connect("/dead")).reset()
    async with live.connect("/") as peer:
        await peer.send("go")
        await peer.expect_close(1011)
    over.set()
    sockets.clear()
    assert [record.getMessage() for record in live.exceptions.records] == ["Exception in ASGI application\n"]
