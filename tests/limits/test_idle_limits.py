"""A client that waits for the application is neither idle nor silent."""

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from ways import FOREIGN, OURS
from wirefast import App, Limits, Rate, WebSocket, WebSocketDisconnect
from wirefast.testing import Live


class Ask(BaseModel):
    type: Literal["ask"]


class Answer(BaseModel):
    type: Literal["answer"] = "answer"


@pytest.mark.parametrize("concurrent", [False, True])
async def test_while_a_message_is_handled(live: Live, concurrent: bool) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    limits = Limits(idle=300)
    app = App(limits=limits)
    room = app.messages("/")

    @room.on(concurrent=concurrent)
    async def answer(message: Ask) -> Answer:
        begun.set()
        await may_end.wait()
        return Answer()

    await live.start(app)
    async with live.connect("/") as peer:
        for _ in range(2):
            begun.clear(), may_end.clear()
            await peer.send(Ask(type="ask"))
            await begun.wait()
            await live.clock.advance(1000)
            may_end.set()
            await peer.expect(Answer)
            await live.clock.advance(280)
        await live.clock.advance(30)
        await peer.expect_close(4408, "no message for too long")
    assert limits.refused == {"idle": 1}


RECEIVES: dict[str, Callable[[WebSocket], Awaitable[Any]]] = {
    "text": lambda websocket: websocket.receive_text(),
    "JSON": lambda websocket: websocket.receive_json(),
    "message": lambda websocket: websocket.receive(),
    "typed": lambda websocket: websocket.receive_message(Ask),
}


@pytest.mark.parametrize("on_excess", ["close", "delay"])
@pytest.mark.parametrize("receive", RECEIVES.values(), ids=RECEIVES)
async def test_while_an_endpoint_works_on_a_message(
    live: Live, receive: Callable[[WebSocket], Awaitable[Any]], on_excess: Any
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    limits = Limits(idle=300, messages=Rate(10, per=10), on_excess=on_excess)
    app = App(limits=limits)

    @app.websocket("/")
    async def works(websocket: WebSocket) -> None:
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            while (await receive(websocket)) is not None and websocket.connected:
                begun.set()
                await may_end.wait()
                await websocket.send_text("done")

    await live.start(app)
    async with live.connect("/") as peer:
        for worked in (100, 1000):
            begun.clear(), may_end.clear()
            await peer.send(Ask(type="ask"))
            await begun.wait()
            await live.clock.advance(worked)
            may_end.set()
            await peer.expect("done")
            await live.clock.advance(280)
        await live.clock.advance(30)
        await peer.expect_close(4408, "no message for too long")
    assert limits.refused == {"idle": 1}


async def test_an_endpoint_that_looks_for_messages_now_and_then_is_not_at_work(live: Live) -> None:
    limits = Limits(idle=300)
    app = App(limits=limits)

    @app.websocket("/")
    async def plays(websocket: WebSocket) -> None:
        await websocket.accept()
        while websocket.connected:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(websocket.receive_text(), 0.5)
            await websocket.send_text("a picture")
            await asyncio.sleep(60)

    await live.start(app)
    async with live.connect("/") as peer:
        await peer.send("left")
        await live.clock.advance(280)
        assert limits.refused == {}
        await live.clock.advance(200)
    assert limits.refused == {"idle": 1}


@pytest.mark.live(ws_ping_interval=None)
@pytest.mark.parametrize("live", OURS, indirect=True)
async def test_an_endpoint_that_receives_no_more_is_at_work(live: Live) -> None:
    limits = Limits(idle=300)
    app = App(limits=limits)

    @app.websocket("/")
    async def pushes(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        while True:
            await websocket.send_bytes(bytes(65536))
            await asyncio.sleep(10)

    await live.start(app)
    async with live.connect("/") as peer:
        await peer.send("subscribe")
        for _ in range(5):
            await live.clock.advance(200)
            await peer.expect(bytes(65536))
        assert limits.refused == {}
        peer.stall()
        await live.clock.advance(1000)
        await live.until(lambda: limits.refused == {"idle": 1})


@pytest.mark.parametrize("live", OURS, indirect=True)
@pytest.mark.parametrize("bounds", [Limits(idle=300), Limits(first_message=300)])
async def test_while_a_message_waits_to_be_received(live: Live, bounds: Limits) -> None:
    may_read = asyncio.Event()
    app = App(limits=bounds)

    @app.websocket("/")
    async def works_first(websocket: WebSocket) -> None:
        await websocket.accept()
        await may_read.wait()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    await live.start(app)
    async with live.connect("/") as peer, live.connect("/") as silent:
        await peer.send("x")
        await live.clock.advance(310)
        await silent.expect_close(4408)
        await live.clock.advance(1000)
        may_read.set()
        await peer.expect("x")


@pytest.mark.live(ws_ping_interval=None)
@pytest.mark.parametrize("live", OURS, indirect=True)
async def test_a_client_that_takes_no_answers_is_idle(live: Live) -> None:
    limits = Limits(idle=300)
    app = App(limits=limits)
    sent = 0

    @app.websocket("/")
    async def talks(websocket: WebSocket) -> None:
        nonlocal sent
        await websocket.accept()
        while True:
            await websocket.send_bytes(bytes(65536))
            sent += 1

    await live.start(app)
    async with live.connect("/") as peer:
        peer.stall()
        await peer.send("unread")
        await live.until(lambda: sent > 2)
        await live.clock.advance(310)
        await live.until(lambda: limits.refused == {"idle": 1})


@pytest.mark.live(ws_ping_interval=None)
@pytest.mark.parametrize("live", OURS, indirect=True)
async def test_a_client_whose_sends_have_just_begun_to_wait_is_not_idle(live: Live) -> None:
    limits = Limits(idle=300)
    app = App(limits=limits)
    room = app.messages("/")

    @room.on
    async def answer(message: Ask) -> None:
        await asyncio.Event().wait()

    await live.start(app)
    async with live.connect("/") as peer:
        await peer.send(Ask(type="ask"))
        await live.clock.advance(290)
        peer.stall()  # from now on sends wait
        await live.clock.advance(200)
        assert limits.refused == {}
        await live.clock.advance(310)
        await live.until(lambda: limits.refused == {"idle": 1})


@pytest.mark.live(ws_ping_interval=None)
@pytest.mark.parametrize("live", OURS, indirect=True)
async def test_a_client_that_takes_its_answers_slowly_is_not_idle(live: Live) -> None:
    limits = Limits(idle=300)
    app = App(limits=limits)
    room = app.messages("/")
    begun = asyncio.Event()

    @room.on
    async def answer(message: Ask) -> None:
        begun.set()
        await asyncio.Event().wait()

    await live.start(app)
    async with live.connect("/") as peer:
        await peer.send(Ask(type="ask"))
        await begun.wait()
        for _ in range(3):
            # When the time is over, the client has said nothing for long, and sends wait.
            peer.stall()
            await live.clock.advance(200)
            assert limits.refused == {}
            peer.resume()
        peer.stall()
        await live.clock.advance(310)
        await live.until(lambda: limits.refused == {"idle": 1})


@pytest.mark.live(ws_ping_interval=None)
@pytest.mark.parametrize("live", [FOREIGN], indirect=True)
@pytest.mark.parametrize("as_message", [False, True])
async def test_a_client_that_takes_no_answers_of_another_server_is_idle(live: Live, as_message: bool) -> None:
    limits = Limits(idle=300)
    app = App(limits=limits)
    room = app.messages("/")
    begun = asyncio.Event()

    @room.on
    async def answer(message: Ask, websocket: WebSocket) -> None:
        begun.set()
        if as_message:
            await websocket.send({"type": "websocket.send", "text": "taken never"})
        await websocket.send_text("taken never")

    await live.start(app)
    async with live.connect("/") as peer:
        peer.stall()
        await peer.send(Ask(type="ask"))
        await begun.wait()
        await live.clock.advance(310)
        await live.until(lambda: limits.refused == {"idle": 1})


class Blocking:
    """Never ends the send of one text."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message.get("text") == "block":
                await asyncio.Event().wait()
            await send(message)

        await self.app(scope, receive, sending)


@pytest.mark.live(ws_ping_interval=None)
@pytest.mark.parametrize("live", [FOREIGN], indirect=True)
@pytest.mark.parametrize("how", ["cancel", "close", "drop", "collect"])
@pytest.mark.parametrize("as_message", [False, True])
async def test_a_send_that_was_given_up_waits_no_more(live: Live, how: str, as_message: bool) -> None:
    limits = Limits(idle=300)
    app = App(limits=limits)
    app.add_middleware(Blocking)
    room = app.messages("/")
    begun = asyncio.Event()

    @room.on
    async def answer(message: Ask, websocket: WebSocket) -> None:
        block = {"type": "websocket.send", "text": "block"}
        sending: Any = websocket.send(block) if as_message else websocket.send_text("block")
        if how == "cancel":
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(sending, 0.001)
        else:
            sending.send(None)
        if how == "close":
            sending.close()
        if how == "collect":
            circle = [sending]
            circle.append(circle)
            del circle
        del sending
        gc.collect()
        begun.set()
        await asyncio.Event().wait()

    await live.start(app)
    async with live.connect("/") as peer:
        await peer.send(Ask(type="ask"))
        await begun.wait()
        for _ in range(3):
            await live.clock.advance(310)
        assert limits.refused == {}
