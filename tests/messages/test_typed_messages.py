"""Typed messages over TestClient, our protocol and another one: dispatch, replies, errors, dependencies, the end."""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from wirefast import APIRouter, App, Depends, Header, HTTPException, Query, WebSocket, WebSocketException
from wirefast.messages import Disconnect, MessageError
from wirefast.param_functions import Message
from wirefast.responses import JSONResponse


class Say(BaseModel):
    type: Literal["say"]
    text: Annotated[str, Field(max_length=20)]


class Strict(BaseModel, extra="forbid"):
    type: Literal["strict"]
    n: int = 0


class Move(BaseModel):
    type: Literal["up", "down"]


class Said(BaseModel):
    type: Literal["said"] = "said"
    text: str
    by: str | None = None


class Deep(BaseModel, extra="forbid"):
    type: Literal["deep"]
    by_name: dict[str, int] = {}
    many: list[int] = []


class Circle(BaseModel):
    type: Literal["draw"]
    shape: Literal["circle"]
    radius: int


class Square(BaseModel):
    type: Literal["draw"]
    shape: Literal["square"]
    side: int


Shape = Annotated[Circle | Square, Field(discriminator="shape")]


class Plain(BaseModel, extra="forbid"):
    n: int


class Data(BaseModel, extra="forbid"):
    n: int


Open = Callable[..., Any]


class Log:
    """What the application did, for a test in another thread."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Any] = queue.Queue()

    def __call__(self, entry: Any) -> None:
        self.queue.put(entry)

    def next(self) -> Any:
        return self.queue.get(timeout=20)

    def rest(self) -> list[Any]:
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]


def invalid(*loc: str, type: str = "string_too_long") -> Any:
    """What an error of one member looks like, its words apart."""
    return {"type": type, "loc": list(loc)}


def told(reply: Any) -> Any:
    """A reply without the words of its errors."""
    for error in reply.get("errors", ()):
        assert error.pop("msg")
    return reply


def test_dispatch_and_replies(talk: Open) -> None:
    app = App()
    room = app.messages("/rooms/{room_id}", sends=Said)

    @room.on
    async def say(message: Say, room_id: int, name: Annotated[str, Query()] = "ada") -> Said:
        return Said(text=f"{room_id}: {message.text}", by=name)

    @room.on(response_model_exclude_none=True)
    async def strict(message: Strict) -> AsyncIterator[Said]:
        for number in range(message.n):
            yield Said(text=str(number))

    @room.on
    async def move(message: Move) -> Said | None:
        return Said(text="up") if message.type == "up" else None

    @room.on("plain", 7)
    def plain(text: str, times: int = 2) -> Said:
        return Said(text=text * times)

    socket = talk(app, "/rooms/3?name=bob")
    hello = {"type": "said", "text": "3: hello", "by": "bob"}
    assert socket.ask({"type": "say", "text": "hello"}) == hello
    assert socket.ask(b'{"text": "hello", "type": "say"}') == hello
    assert socket.ask({"ref": 1, "type": "say", "text": "hello"}) == {"ref": 1, **hello}
    assert socket.ask({"ref": "é" * 32, "type": "say", "text": "hello"}) == {"ref": "é" * 32, **hello}
    assert socket.ask({"ref": None, "type": "say", "text": "hello"}) == hello
    assert socket.ask({"type": "strict", "n": 2, "ref": 5}) == {"ref": 5, "type": "said", "text": "0"}
    assert socket.receive() == {"ref": 5, "type": "said", "text": "1"}
    assert socket.send({"type": "down"}).ask({"type": "up"})["text"] == "up"
    assert socket.ask({"type": "plain", "text": "a"})["text"] == "aa"
    assert socket.ask({"type": 7, "text": "a", "times": 3})["text"] == "aaa"
    assert socket.ask(r'{"t\u0079pe": "s\u0061y", "text": "hello"}') == hello


def test_errors_are_replies(talk: Open) -> None:
    app = App()
    room = app.messages("/")

    @room.on
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @room.on
    async def strict(message: Strict) -> None: ...

    socket = talk(app, "/")
    for malformed in (
        "{",
        "",
        "[1]",
        '"say"',
        "nul",
        '{"type": "say", "text": tru}',
        b'{"type": "say", "text": "\xff"}',
    ):
        assert socket.ask(malformed) == {"type": "error", "code": "malformed"}
        assert socket.ask({"type": "say", "text": "x"})["text"] == "x"
    for unknown in ({}, {"type": "nope"}, {"type": None}, {"type": ["say"]}, {"type": {"a": 1}}, {"Type": "say"}):
        assert socket.ask(unknown) == {"type": "error", "code": "unknown_type"}
        assert socket.ask({"type": "say", "text": "x"})["text"] == "x"
    assert told(socket.ask({"type": "say", "text": "x" * 21, "ref": "r"})) == {
        "ref": "r", "type": "error", "code": "invalid", "errors": [invalid("text")],
    }  # fmt: skip
    for ref in (1.5, True, [1], {"a": 1}, "x" * 65, 10**64):
        error = told(socket.ask({"type": "say", "text": "x", "ref": ref}))
        assert error == {"type": "error", "code": "invalid", "errors": [invalid("ref", type="ref_type")]}
        assert socket.ask({"type": "say", "text": "x", "ref": "x" * 64})["ref"] == "x" * 64
        assert socket.ask({"type": "say", "text": "x", "ref": 10**63})["ref"] == 10**63


def test_what_the_client_sent_is_in_no_error(talk: Open) -> None:
    app = App()
    quiet, loud = app.messages("/quiet"), app.messages("/loud", include_input=True)

    @quiet.on
    async def deep(message: Deep) -> None: ...

    loud.on(deep)
    sent = {"type": "deep", "by_name": {"secret": "s3cret"}, "hunter2": 1, "many": ["x"] * 30}
    reply = talk(app, "/quiet").ask(sent)
    assert len(reply["errors"]) == 20
    assert told(reply)["errors"][0] == {"type": "int_parsing", "loc": ["by_name", "…"]}
    text = str(talk(app, "/quiet").ask({**sent, "many": []}))
    assert "secret" not in text and "s3cret" not in text and "hunter2" not in text
    assert talk(app, "/loud").ask(sent)["errors"][0]["input"] == "s3cret"


@pytest.mark.parametrize("count", [1, 3, 10])
def test_too_many_invalid_messages(talk: Open, count: int) -> None:
    app = App()
    room = app.messages("/", max_invalid=count)

    @room.on
    async def say(message: Say) -> Said:
        return Said(text="x")

    socket = talk(app, "/")
    for _ in range(count - 1):
        assert socket.ask("{")["code"] == "malformed"
    assert socket.ask({"type": "say", "text": ""})["text"] == "x"  # which ends the row
    for _ in range(count):
        assert socket.ask("{")["code"] == "malformed"
    assert socket.ends() == (1008, "too many invalid messages")


def test_invalid_messages_may_be_ignored_or_close(talk: Open) -> None:
    app = App()
    log = Log()
    ignoring = app.messages("/ignore", on_invalid="ignore", max_invalid=3)
    closing = app.messages("/close", on_invalid="close")

    @ignoring.on
    async def say(message: Say) -> Said:
        return Said(text="x")

    closing.on(say)

    @closing.on_disconnect
    async def left(end: Disconnect) -> None:
        log(end)

    socket = talk(app, "/ignore")
    assert socket.send("{").send({"type": "nope"}).ask({"type": "say", "text": ""})["text"] == "x"
    socket.send("{").send("{").send("{")
    assert socket.ends() == (1008, "too many invalid messages")
    assert talk(app, "/close").send({"type": "nope"}).ends() == (1008, "unknown_type")
    assert log.next() == Disconnect(1008, "unknown_type")


def test_exceptions(talk: Open, caplog: pytest.LogCaptureFixture) -> None:
    class Known(Exception): ...

    class Silent(Exception): ...

    app = App()

    @app.exception_handler(Known)
    async def known(websocket: WebSocket, exc: Known) -> JSONResponse:
        return JSONResponse({"detail": "known"}, status_code=409)

    @app.exception_handler(Silent)
    def silent(websocket: WebSocket, exc: Silent) -> None: ...

    @app.exception_handler(418)
    async def teapot(websocket: WebSocket, exc: HTTPException) -> JSONResponse:
        return JSONResponse(["short", "stout"], status_code=418)

    room = app.messages("/")
    raised: dict[str, Exception] = {
        "message": MessageError("full", "the room is full", data={"limit": 2}),
        "code": MessageError("full"),
        "http": HTTPException(404, "no such room"),
        "teapot": HTTPException(418),
        "known": Known(),
        "silent": Silent(),
        "bug": ZeroDivisionError("s3cret"),
    }

    @room.on
    async def say(message: Say) -> Said:
        if message.text == "close":
            raise WebSocketException(4000, "enough")
        if message.text in raised:
            await asyncio.sleep(0)
            raise raised[message.text]
        return Said(text=message.text)

    @room.on("sync")
    async def sync(text: str) -> Said:
        raise raised[text]

    socket = talk(app, "/")
    expected: dict[str, Any] = {
        "message": {"code": "full", "message": "the room is full", "data": {"limit": 2}},
        "code": {"code": "full"},
        "http": {"code": "http", "status": 404, "detail": "no such room"},
        "teapot": {"code": "http", "status": 418, "detail": ["short", "stout"]},
        "known": {"code": "http", "status": 409, "detail": "known"},
        "bug": {"code": "internal"},
    }
    for kind in ("say", "sync"):
        for text, error in expected.items():
            assert socket.ask({"type": kind, "text": text, "ref": 1}) == {"ref": 1, "type": "error", **error}
        socket.send({"type": kind, "text": "silent"})
        assert socket.ask({"type": "say", "text": "next"})["text"] == "next"
    assert [record.levelname for record in caplog.records if record.name == "wirefast.messages"] == ["ERROR"] * 2
    assert caplog.text.count("ZeroDivisionError: s3cret") == 2
    assert socket.send({"type": "say", "text": "close"}).ends() == (4000, "enough")


def test_an_unexpected_exception_may_close(talk: Open, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    room = app.messages("/", on_error="close")

    @room.on
    async def say(message: Say) -> Said:
        raise ZeroDivisionError

    assert talk(app, "/").send({"type": "say", "text": "x"}).ends() == (1011, "")
    assert caplog.text.count("Traceback") == 1


def test_replies_that_are_no_models(talk: Open, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    room = app.messages("/")

    @room.on("any")
    async def anything(which: str):  # type: ignore[no-untyped-def]
        return {"dict": {"a": 1}, "list": [1], "model": Said(text="x"), "text": "raw {", "bytes": b"\x00"}[which]

    @room.on("checked")
    async def checked(value: int) -> Said:
        return {"text": "x"} if value else {"nothing": 1}  # type: ignore[return-value]

    @room.on
    async def later(message: Move) -> AsyncIterator[Said]:
        async def items() -> AsyncIterator[Said]:
            yield Said(text="1")
            yield Said(text="2")

        return items()

    socket = talk(app, "/")
    assert socket.ask({"type": "any", "which": "dict", "ref": 1}) == {"ref": 1, "a": 1}
    assert socket.ask({"type": "any", "which": "list", "ref": 1}) == [1]
    assert socket.ask({"type": "any", "which": "model"}) == {"type": "said", "text": "x", "by": None}
    socket.send({"type": "any", "which": "text"})
    assert socket.receive_frame() == "raw {"
    assert socket.ask({"type": "any", "which": "bytes"}) == b"\x00"
    assert socket.ask({"type": "checked", "value": 1})["text"] == "x"
    assert socket.ask({"type": "checked", "value": 0}) == {"type": "error", "code": "internal"}
    assert [socket.ask({"type": "up"})["text"], socket.receive()["text"]] == ["1", "2"]


def test_whole_frames(talk: Open) -> None:
    app = App()
    room = app.messages("/")

    @room.on
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @room.on
    async def blob(message: bytes) -> bytes:
        return message[::-1]

    raw = app.messages("/raw")

    @raw.on
    async def text(data: Annotated[str, Message()], prefix: str = "p") -> str:
        return prefix + data

    socket = talk(app, "/")
    assert socket.ask(b"abc") == b"cba"
    assert socket.ask({"type": "say", "text": "x"})["text"] == "x"
    socket = talk(app, "/raw?prefix=q")
    socket.send_frame("é{")
    assert socket.receive_frame() == "qé{"
    assert socket.ask(b"\x00")["code"] == "malformed"


def test_unions_of_one_handler(talk: Open) -> None:
    app = App()
    room = app.messages("/")

    @room.on
    async def either(message: Annotated[Shape | Say, "more"]) -> Said:
        return Said(text=type(message).__name__)

    socket = talk(app, "/")
    assert socket.ask({"type": "draw", "shape": "square", "side": 1})["text"] == "Square"
    assert socket.ask({"type": "draw", "shape": "circle", "radius": 1})["text"] == "Circle"
    assert socket.ask({"type": "say", "text": "x"})["text"] == "Say"
    assert "pentagon" not in str(socket.ask({"type": "draw", "shape": "pentagon"}))


def test_a_tag_of_another_name_and_models_without_it(talk: Open) -> None:
    app = App()
    room = app.messages("/", tag="action")

    @room.on("plain")
    async def plain(message: Plain) -> dict[str, int]:
        return {"n": message.n}

    socket = talk(app, "/")
    assert socket.ask({"action": "plain", "n": 1, "ref": 2}) == {"ref": 2, "n": 1}
    assert socket.ask({"n": 1}) == {"action": "error", "code": "unknown_type"}


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
