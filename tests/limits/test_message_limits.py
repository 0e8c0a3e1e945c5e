"""Limits of messages: their number and size, by each way to receive, in typed messages and rooms."""

import asyncio
import time
from typing import Any

import pytest
from limited import MANY, echo, echoing, exchange
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketDisconnect

from wirefast import App, Limits, Rate, WebSocket
from wirefast._core.errors import LimitExceeded
from wirefast.rooms import Hub, TooManyRooms
from wirefast.testing import Live


@pytest.mark.parametrize(
    ("limits", "texts", "expected"),
    [
        (Limits(messages=MANY), ["x"] * 5, (5, None)),
        (Limits(messages=MANY), ["x"] * 6, (6, (1008, "too many messages"))),
        (Limits(messages=MANY), ["x"] * 9, (6, (1008, "too many messages"))),
        (Limits(messages=Rate(1, per=10_000.0, burst=3)), ["x"] * 2, (2, None)),
        (Limits(messages=Rate(1, per=10_000.0, burst=3)), ["x"] * 3, (3, (1008, "too many messages"))),
        (Limits(bytes=Rate(14, per=10_000.0)), ["x" * 5] * 2, (2, None)),
        (Limits(bytes=Rate(13, per=10_000.0)), ["x" * 5] * 2, (2, (1008, "too many bytes"))),
        (Limits(bytes=Rate(13, per=10_000.0)), ["é" * 5], (1, (1008, "too many bytes"))),
        (Limits(message_bytes=10), ["x" * 10, "é" * 5], (2, None)),
        (Limits(message_bytes=10), ["x" * 11], (0, (1009, "message too big"))),
        (Limits(message_bytes=10), ["é" * 6], (0, (1009, "message too big"))),
        (Limits(message_bytes=10, on_excess="drop"), ["x" * 11], (0, (1009, "message too big"))),
    ],
)
async def test_just_under_and_just_over(live: Live, limits: Limits, texts: list[str | bytes], expected: Any) -> None:
    await live.start(echoing(limits))
    assert await exchange(live, texts) == expected


async def test_what_is_dropped(live: Live) -> None:
    limits = Limits(messages=Rate(3, per=10_000.0), on_excess="drop")
    await live.start(echoing(limits))
    async with live.connect("/") as peer:
        await peer.send_all(*"0123456789")
        await peer.expect_all("0", "1", "2")
    assert limits.refused["messages"] == 7


async def test_what_is_an_error(live: Live) -> None:
    app = await live.start(echoing(Limits(messages=Rate(3, per=10_000.0), on_excess="error")))

    @app.websocket("/caught")
    async def caught(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            try:
                await websocket.send_text(await websocket.receive_text())
            except LimitExceeded as exceeded:
                await websocket.send_text(f"{exceeded.code} {exceeded.reason}")
            except WebSocketDisconnect:
                return

    async with live.connect("/caught") as peer:
        await peer.send_all(*"xxxxx")
        await peer.expect_all("x", "x", "x", *["1008 too many messages"] * 2)
    assert await exchange(live, ["x"] * 9) == (3, (1008, "too many messages"))


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(messages=Rate(2, per=20), on_excess="delay"), "x"),
        (Limits(bytes=Rate(40, per=20), on_excess="delay"), "x" * 20),
    ],
    ids=["messages", "bytes"],
)
async def test_what_is_delayed(live: Live, limits: Limits, text: str) -> None:
    await live.start(echoing(limits))
    async with live.connect("/") as peer:
        await peer.send_all(*[text] * 6)
        await live.clock.advance(5)
        assert 2 <= (before := len(peer.unread)) <= 3
        await live.clock.advance(20)
        assert 1 <= len(peer.unread) - before <= 2
        await live.clock.advance(60)
        assert peer.unread == [text] * 6


def raw(app: App, path: str) -> None:
    @app.websocket(path)
    async def by_receive(websocket: WebSocket) -> None:
        await websocket.accept()
        while (message := await websocket.receive())["type"] == "websocket.receive":
            await websocket.send({"type": "websocket.send", "text": message.get("text") or message["bytes"].decode()})
        await websocket.send_text(message["type"]) if websocket.connected else None


async def by_starlette(websocket: StarletteWebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@pytest.mark.parametrize("path", ["/raw", "/plain", "/mounted/inner", "/ours/inner", "/json", "/bytes", "/listener"])
async def test_every_way_to_receive(live: Live, path: str) -> None:
    limits = Limits(messages=MANY, connections=1)
    app = await live.start(App(limits=limits))
    raw(app, "/raw")
    app.websocket_route("/plain")(by_starlette)
    app.mount("/mounted", Starlette(routes=[WebSocketRoute("/inner", by_starlette)]))
    inner = App()
    inner.websocket("/inner")(echo)
    app.mount("/ours", inner)

    @app.websocket("/json")
    async def by_json(websocket: WebSocket) -> None:
        await websocket.accept()
        async for value in websocket.iter_json():
            await websocket.send_text(str(value))

    @app.websocket("/bytes")
    async def by_bytes(websocket: WebSocket) -> None:
        await websocket.accept()
        async for value in websocket.iter_bytes():
            await websocket.send_text(value.decode())

    @app.websocket_listener("/listener")
    async def listener(message: str) -> str:
        return message

    texts: list[Any] = [b"7" if path == "/bytes" else "7"] * 9
    assert await exchange(live, texts, path) == (6, (1008, "too many messages"))
    assert limits.open == 0 and limits.refused == {"messages": 1}
    async with live.connect(path):
        await live.expect_refused(503, path)


@pytest.mark.parametrize("on_excess", ["error", "drop", "close"])
async def test_typed_messages(live: Live, on_excess: Any) -> None:
    app = await live.start(App(limits=Limits(messages=Rate(2, per=10_000.0), on_excess=on_excess)))
    messages = app.messages("/")

    @messages.on("say")
    async def say(text: str) -> dict[str, str]:
        return {"said": text}

    async with live.connect("/") as peer:
        await peer.send_all(*({"type": "say", "text": str(number)} for number in range(3)))
        await peer.expect_all({"said": "0"}, {"said": "1"})
        if on_excess == "close":
            await peer.expect_close(1008, "too many messages")
        elif on_excess == "error":
            await peer.expect({"type": "error", "code": "too_many"})


async def test_typed_messages_that_are_read_ahead(live: Live) -> None:
    app = await live.start(App(limits=Limits(messages=Rate(2, per=10_000.0), on_excess="error")))
    messages = app.messages("/")

    @messages.on("say")
    def say(text: str) -> dict[str, str]:
        time.sleep(0.01)
        return {"said": text}

    async with live.connect("/") as peer:
        await peer.send_all(*({"type": "say", "text": str(number)} for number in range(4)))
        answers = await peer.expect_all(*[dict] * 4)
    assert sorted(map(str, answers)) == [
        *["{'said': '0'}", "{'said': '1'}"],
        *["{'type': 'error', 'code': 'too_many'}"] * 2,
    ]


async def test_handlers_in_flight(live: Live) -> None:
    app = await live.start(App(limits=Limits(in_flight=2)))
    running, most = 0, 0
    messages = app.messages("/", in_flight=5)

    @messages.on("say", concurrent=True)
    async def say(text: str) -> dict[str, str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return {"said": text}

    async with live.connect("/") as peer:
        await peer.send_all(*({"type": "say", "text": str(number)} for number in range(6)))
        assert {answer["said"] for answer in await peer.expect_all(*[dict] * 6)} == set("012345")
    assert most == 2


async def test_rooms(live: Live) -> None:
    app = await live.start(App(hub=Hub(), limits=Limits(rooms=2)))

    @app.websocket("/")
    async def socket(websocket: WebSocket, hub: Hub) -> None:
        await websocket.accept()
        await hub.join(["a", "b"], websocket)
        try:
            await hub.join("c", websocket)
        except TooManyRooms as exc:
            await websocket.send_text(str(exc))

    async with live.connect("/") as peer:
        await peer.expect("a socket may be in 2 rooms")


class Message(dict[str, Any]):
    """What a middleware may make of a message."""


@pytest.mark.parametrize("received", ["receive_text", "receive_json", "receive", "receive_message"])
async def test_messages_of_a_middleware_are_counted(live: Live, received: str) -> None:
    inner = App(limits=Limits(messages=Rate(3, per=10_000.0)))

    @inner.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            if received == "receive_message":
                message = await websocket.receive_message(int)
            else:
                message = await getattr(websocket, received)()
            if received == "receive" and message["type"] == "websocket.disconnect":
                return
            await websocket.send_text("1")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def renewed() -> Any:
            return Message(await receive())

        await inner(scope, renewed, send)

    await live.start(app)
    assert await exchange(live, ["1"] * 9) == (3, (1008, "too many messages"))
