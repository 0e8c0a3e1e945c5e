"""Handlers of typed messages: their dependencies, order and concurrency, the end of the socket, listeners, streams,
routers.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from message_models import Data, Move, Said, Say, invalid, told

from wirefast import APIRouter, App, Depends, Header, Query, WebSocket
from wirefast.messages import Disconnect, MessageError
from wirefast.param_functions import Message
from wirefast.testing import Live


async def test_message_scope(app: App, live: Live) -> None:
    log: list[Any] = []
    count = iter(range(100))

    async def user(name: Annotated[str, Query()] = "ada") -> str:
        log.append("user")
        return name

    async def session(user: Annotated[str, Depends(user)], agent: Annotated[str, Header()] = "") -> AsyncIterator[str]:
        number = next(count)
        log.append(f"open {number}")
        try:
            yield f"{user} {number}"
        except BaseException as exc:
            log.append(f"failed {type(exc).__name__}")
            raise
        finally:
            log.append(f"closed {number}")

    Session = Annotated[str, Depends(session, scope="message")]

    async def again(db: Session, text: Annotated[str, Message()], whole: Annotated[Say, Message()]) -> str:
        assert whole.text == text
        return f"{db} {text}"

    room = app.messages("/", dependencies=[Depends(lambda: log.append("each"), scope="message")])

    @room.on
    async def say(message: Say, db: Session, more: Annotated[str, Depends(again, scope="message")]) -> Said:
        if message.text == "bug":
            raise MessageError("bug")
        log.append("handler")
        return Said(text=f"{db}, {more}")

    async with live.connect("/?name=bob") as socket:
        assert (await socket.ask({"type": "say", "text": "x"}))["text"] == "bob 0, bob 0 x"
        assert (await socket.ask({"type": "say", "text": "bug"}))["code"] == "bug"
        assert (await socket.ask({"type": "say", "text": "y"}))["text"] == "bob 2, bob 2 y"
        assert log == [
            "user", "each", "open 0", "handler", "closed 0",
            "each", "open 1", "failed MessageError", "closed 1",
            "each", "open 2", "handler", "closed 2",
        ]  # fmt: skip

        async def fake(user: Annotated[str, Depends(user)], shout: Annotated[bool, Query()] = False) -> str:
            return user.upper() if shout else user

        app.dependency_overrides[session] = fake
        assert (await socket.ask({"type": "say", "text": "x"}))["text"] == "bob, bob x"
        assert (await live.ask("/?name=bob&shout=1", {"type": "say", "text": "x"}))["text"] == "BOB, BOB x"


async def test_connect_and_disconnect(app: App, live: Live) -> None:
    log: list[Any] = []
    room = app.messages("/{room}")

    @room.on_connect
    async def joined(websocket: WebSocket, room: str) -> Said:
        log.append(f"joined {room}")
        return Said(text="welcome")

    @room.on
    async def say(message: Say, websocket: WebSocket) -> Said:
        if message.text == "close":
            await websocket.close(4001, "bye")
        return Said(text="x")

    @room.on_disconnect
    async def left(room: str, end: Disconnect) -> None:
        log.append(("left", room, *end))

    async with live.connect("/a") as socket:
        await socket.expect(Said(text="welcome"))
        assert (await socket.ask({"type": "say", "text": ""}))["text"] == "x"
        await socket.close(4123, "gone")
    assert log == ["joined a", ("left", "a", 4123, "gone")]
    async with live.connect("/b") as socket:
        await socket.expect(Said(text="welcome"))
        await socket.send({"type": "say", "text": "close"})
        await socket.expect_close(4001, "bye")
    assert log[2:] == ["joined b", ("left", "b", 1000, "")]


@pytest.mark.parametrize("cancels", [True, False])
@pytest.mark.parametrize("concurrent", [True, False])
async def test_a_disconnect_ends_what_runs(app: App, live: Live, cancels: bool, concurrent: bool) -> None:
    log: list[Any] = []
    room = app.messages("/")
    gate: list[asyncio.Event] = []

    async def resource() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("exit")

    @room.on(cancel_on_disconnect=cancels, concurrent=concurrent)
    async def say(message: Say, held: Annotated[None, Depends(resource, scope="message")]) -> Said:
        gate.append(asyncio.Event())
        log.append("waits")
        try:
            # One that is not cancelled has to end by itself.
            await (gate[0].wait() if cancels else asyncio.sleep(0.05))
            log.append("done")
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        return Said(text="x")

    @room.on_disconnect
    async def left(end: Disconnect) -> None:
        log.append(end.code)

    async with live.connect("/") as socket:
        await socket.send({"type": "say", "text": ""})
        await live.until(lambda: log)
        await socket.close(4002)
    assert log == ["waits", "cancelled" if cancels else "done", "exit", 4002]


async def test_order_and_concurrency(app: App, live: Live) -> None:
    room = app.messages("/", in_flight=2)
    events: dict[str, asyncio.Event] = {}

    @room.on(concurrent=True)
    async def say(message: Say) -> Said:
        events[message.text] = asyncio.Event()
        await events[message.text].wait()
        return Said(text=message.text)

    @room.on
    async def move(message: Move) -> Said:
        events["a" if message.type == "up" else "b"].set()
        return Said(text=message.type)

    async with live.connect("/") as socket:
        await socket.send({"type": "say", "text": "a", "ref": 1})
        await live.until(lambda: events)
        assert (await socket.ask({"type": "up", "ref": 2}))["ref"] == 2  # beside the first, which waits for it
        await socket.expect({"ref": 1, "type": "said", "text": "a", "by": None})
        await socket.close(4003)


async def test_one_message_after_the_other(app: App, live: Live) -> None:
    running = most = 0
    room = app.messages("/")

    @room.on
    async def say(message: Say) -> Said:
        nonlocal running, most
        running += 1
        most = max(most, running)
        # The first ones wait longest, so that only order makes them the first to be answered.
        for _ in range(20 - int(message.text)):
            await asyncio.sleep(0)
        running -= 1
        return Said(text=message.text)

    async with live.connect("/") as socket:
        await socket.send_all(*({"type": "say", "text": str(number)} for number in range(20)))
        await socket.expect_all(*(Said(text=str(number)) for number in range(20)))
    assert most == 1


async def test_listener(app: App, live: Live) -> None:
    @app.websocket_listener("/echo/{times}")
    async def echo(times: int, data: Data) -> dict[str, int]:
        return {"n": data.n * times}

    @app.websocket_listener("/sum")
    def add(values: list[int], start: Annotated[int, Query()] = 0) -> int:
        return sum(values, start)

    @app.websocket_listener("/text")
    async def text(data: str) -> str:
        return data.upper()

    @app.websocket_listener("/bytes")
    async def binary(data: bytes) -> bytes:
        return data * 2

    async with live.connect("/echo/3") as socket:
        await socket.ask({"n": 2, "ref": 9}, {"ref": 9, "n": 6})
        assert told(await socket.ask({"n": 2, "m": 1})) == {
            "type": "error", "code": "invalid", "errors": [invalid("…", type="extra_forbidden")],
        }  # fmt: skip
        await socket.ask("{", {"type": "error", "code": "malformed"})
    assert await live.ask("/sum?start=5", [1, 2]) == 8
    assert await live.ask("/text", "{é") == "{É"
    assert await live.ask("/bytes", b"ab") == b"abab"


async def test_stream(app: App, live: Live) -> None:
    log: list[Any] = []

    @app.websocket_stream("/ticks/{count}")
    async def ticks(count: int) -> AsyncIterator[Said]:
        for number in range(count):
            yield Said(text=str(number))
        if count == 1:
            raise ZeroDivisionError

    @app.websocket_stream("/forever")
    async def forever() -> AsyncIterator[Said]:
        try:
            yield Said(text="first")
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    async with live.connect("/ticks/2") as socket:
        await socket.expect_all(Said(text="0"), Said(text="1"))
        await socket.expect_close(1000, "")
    async with live.connect("/ticks/1") as socket:
        await socket.expect(Said(text="0"))
        await socket.expect_close(1011, "")
    async with live.connect("/forever") as socket:
        await socket.expect(Said(text="first"))
        await socket.send_all(*["dropped"] * 100)
    assert log == ["ended"]


async def test_routers(app: App, live: Live) -> None:
    inner = APIRouter(prefix="/rooms", dependencies=[Depends(lambda: None)])
    outer = APIRouter(prefix="/{house}")
    room = inner.messages("/{room}", name="room")
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")

    @room.on
    async def say(message: Say, house: str, room: int) -> Said:
        return Said(text=f"{house} {room}")

    assert (await live.ask("/v1/h/rooms/2", {"type": "say", "text": ""}))["text"] == "h 2"

    @room.on  # also once it has served
    async def move(message: Move, house: str) -> Said:
        return Said(text=house)

    assert (await live.ask("/v1/h/rooms/2", {"type": "up"}))["text"] == "h"
    assert app.url_path_for("room", house="h", room="2") == "/v1/h/rooms/2"
    assert [route.path for route in app.routes if hasattr(route, "registry")] == []  # it stands below an include


async def test_many_messages_at_once(app: App, live: Live) -> None:
    @app.websocket_listener("/")
    async def echo(data: list[int]) -> list[int]:
        if data[0] % 3 == 0:
            await asyncio.sleep(0)
        return data

    async with live.connect("/") as socket:
        await socket.send_all(*([number] for number in range(500)))
        await socket.expect_all(*([number] for number in range(500)))
