"""Handlers of typed messages: their dependencies, order and concurrency, the end of the socket, listeners, streams,
routers.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from message_models import Data, Log, Move, Open, Said, Say, invalid, told

from wirefast import APIRouter, App, Depends, Header, Query, WebSocket
from wirefast.messages import Disconnect, MessageError
from wirefast.param_functions import Message


def test_message_scope(talk: Open) -> None:
    app = App()
    log = Log()
    count = iter(range(100))

    async def user(name: Annotated[str, Query()] = "ada") -> str:
        log("user")
        return name

    async def session(user: Annotated[str, Depends(user)], agent: Annotated[str, Header()] = "") -> AsyncIterator[str]:
        number = next(count)
        log(f"open {number}")
        try:
            yield f"{user} {number}"
        except BaseException as exc:
            log(f"failed {type(exc).__name__}")
            raise
        finally:
            log(f"closed {number}")

    Session = Annotated[str, Depends(session, scope="message")]

    async def again(db: Session, text: Annotated[str, Message()], whole: Annotated[Say, Message()]) -> str:
        assert whole.text == text
        return f"{db} {text}"

    room = app.messages("/", dependencies=[Depends(lambda: log("each"), scope="message")])

    @room.on
    async def say(message: Say, db: Session, more: Annotated[str, Depends(again, scope="message")]) -> Said:
        if message.text == "bug":
            raise MessageError("bug")
        log("handler")
        return Said(text=f"{db}, {more}")

    socket = talk(app, "/?name=bob")
    assert socket.ask({"type": "say", "text": "x"})["text"] == "bob 0, bob 0 x"
    assert socket.ask({"type": "say", "text": "bug"})["code"] == "bug"
    assert socket.ask({"type": "say", "text": "y"})["text"] == "bob 2, bob 2 y"
    assert [log.next() for _ in range(13)] == [
        "user", "each", "open 0", "handler", "closed 0",
        "each", "open 1", "failed MessageError", "closed 1",
        "each", "open 2", "handler", "closed 2",
    ]  # fmt: skip

    async def fake(user: Annotated[str, Depends(user)], shout: Annotated[bool, Query()] = False) -> str:
        return user.upper() if shout else user

    app.dependency_overrides[session] = fake
    assert socket.ask({"type": "say", "text": "x"})["text"] == "bob, bob x"
    assert talk(app, "/?name=bob&shout=1").ask({"type": "say", "text": "x"})["text"] == "BOB, BOB x"


def test_connect_and_disconnect(talk: Open) -> None:
    app = App()
    log = Log()
    room = app.messages("/{room}")

    @room.on_connect
    async def joined(websocket: WebSocket, room: str) -> Said:
        log(f"joined {room}")
        return Said(text="welcome")

    @room.on
    async def say(message: Say, websocket: WebSocket) -> Said:
        if message.text == "close":
            await websocket.close(4001, "bye")
        return Said(text="x")

    @room.on_disconnect
    async def left(room: str, end: Disconnect) -> None:
        log(("left", room, *end))

    socket = talk(app, "/a")
    assert socket.receive()["text"] == "welcome"
    assert socket.ask({"type": "say", "text": ""})["text"] == "x"
    socket.close(4123, "gone")
    assert [log.next(), log.next()] == ["joined a", ("left", "a", 4123, "gone")]
    socket = talk(app, "/b")
    assert socket.receive()["text"] == "welcome"
    assert socket.send({"type": "say", "text": "close"}).ends() == (4001, "bye")
    assert [log.next(), log.next()] == ["joined b", ("left", "b", 1000, "")]


@pytest.mark.parametrize("cancels", [True, False])
@pytest.mark.parametrize("concurrent", [True, False])
def test_a_disconnect_ends_what_runs(talk: Open, cancels: bool, concurrent: bool) -> None:
    app = App()
    log = Log()
    room = app.messages("/")
    gate: list[asyncio.Event] = []

    async def resource() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log("exit")

    @room.on(cancel_on_disconnect=cancels, concurrent=concurrent)
    async def say(message: Say, held: Annotated[None, Depends(resource, scope="message")]) -> Said:
        gate.append(asyncio.Event())
        log("waits")
        try:
            # One that is not cancelled has to end by itself.
            await (gate[0].wait() if cancels else asyncio.sleep(0.05))
            log("done")
        except asyncio.CancelledError:
            log("cancelled")
            raise
        return Said(text="x")

    @room.on_disconnect
    async def left(end: Disconnect) -> None:
        log(end.code)

    socket = talk(app, "/")
    socket.send({"type": "say", "text": ""})
    assert log.next() == "waits"
    socket.close(4002)
    assert [log.next(), log.next(), log.next()] == ["cancelled" if cancels else "done", "exit", 4002]


def test_order_and_concurrency(talk: Open) -> None:
    app = App()
    log = Log()
    room = app.messages("/", in_flight=2)
    events: dict[str, asyncio.Event] = {}

    @room.on(concurrent=True)
    async def say(message: Say) -> Said:
        events[message.text] = asyncio.Event()
        log(message.text)
        await events[message.text].wait()
        return Said(text=message.text)

    @room.on
    async def move(message: Move) -> Said:
        events["a" if message.type == "up" else "b"].set()
        return Said(text=message.type)

    socket = talk(app, "/")
    socket.send({"type": "say", "text": "a", "ref": 1})
    assert log.next() == "a"
    assert socket.ask({"type": "up", "ref": 2})["ref"] == 2  # beside the first, which waits for it
    assert socket.receive() == {"ref": 1, "type": "said", "text": "a", "by": None}
    socket.close(4003)


def test_one_message_after_the_other(talk: Open) -> None:
    app = App()
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

    socket = talk(app, "/")
    for number in range(20):
        socket.send({"type": "say", "text": str(number)})
    assert [socket.receive()["text"] for _ in range(20)] == [str(number) for number in range(20)]
    assert most == 1


def test_listener(talk: Open) -> None:
    app = App()

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

    socket = talk(app, "/echo/3")
    assert socket.ask({"n": 2, "ref": 9}) == {"ref": 9, "n": 6}
    assert told(socket.ask({"n": 2, "m": 1})) == {
        "type": "error", "code": "invalid", "errors": [invalid("…", type="extra_forbidden")],
    }  # fmt: skip
    assert socket.ask("{") == {"type": "error", "code": "malformed"}
    assert talk(app, "/sum?start=5").ask([1, 2]) == 8
    socket = talk(app, "/text")
    socket.send_frame("{é")
    assert socket.receive_frame() == "{É"
    assert talk(app, "/bytes").ask(b"ab") == b"abab"


def test_stream(talk: Open) -> None:
    app = App()
    log = Log()

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
            log("ended")

    socket = talk(app, "/ticks/2")
    assert [socket.receive()["text"], socket.receive()["text"]] == ["0", "1"]
    assert socket.ends() == (1000, "")
    socket = talk(app, "/ticks/1")
    assert socket.receive()["text"] == "0"
    assert socket.ends() == (1011, "")
    socket = talk(app, "/forever")
    assert socket.receive()["text"] == "first"
    for _ in range(100):
        socket.send("dropped")
    socket.close()
    assert log.next() == "ended"


def test_routers(talk: Open) -> None:
    app = App()
    inner = APIRouter(prefix="/rooms", dependencies=[Depends(lambda: None)])
    outer = APIRouter(prefix="/{house}")
    room = inner.messages("/{room}", name="room")
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")

    @room.on
    async def say(message: Say, house: str, room: int) -> Said:
        return Said(text=f"{house} {room}")

    assert talk(app, "/v1/h/rooms/2").ask({"type": "say", "text": ""})["text"] == "h 2"

    @room.on  # also once it has served
    async def move(message: Move, house: str) -> Said:
        return Said(text=house)

    assert talk(app, "/v1/h/rooms/2").ask({"type": "up"})["text"] == "h"
    assert app.url_path_for("room", house="h", room="2") == "/v1/h/rooms/2"
    assert [route.path for route in app.routes if hasattr(route, "registry")] == []  # it stands below an include


def test_many_messages_at_once(talk: Open) -> None:
    app = App()

    @app.websocket_listener("/")
    async def echo(data: list[int]) -> list[int]:
        if data[0] % 3 == 0:
            await asyncio.sleep(0)
        return data

    socket = talk(app, "/")
    for number in range(500):
        socket.send([number])
    assert [socket.receive() for _ in range(500)] == [[number] for number in range(500)]
