"""Declarations that cannot work are refused when they are made, and the text names the places."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from wirefast import App, Depends, Query, WebSocket
from wirefast.dependencies.annotations import UnresolvedAnnotation
from wirefast.exceptions import DependencyScopeError, FastAPIError
from wirefast.messages import Disconnect, MessageError, Messages
from wirefast.param_functions import Message


class Say(BaseModel):
    type: Literal["say"]


class SayToo(BaseModel):
    type: Literal["shout", "say"]


class Other(BaseModel):
    type: Literal["other"]


class Untagged(BaseModel):
    text: str


class Said(BaseModel):
    type: Literal["said"] = "said"


async def per_message() -> AsyncIterator[int]:
    yield 1


async def once(value: Annotated[int, Depends(per_message, scope="message")]) -> int:
    return value


async def of_message(text: Annotated[str, Message()]) -> str:
    return text


@pytest.fixture
def room() -> Messages:
    return App().messages("/rooms/{room_id}", sends=Said)


async def say(message: Say) -> None: ...
async def say_too(message: SayToo) -> None: ...
async def untagged(message: Untagged) -> None: ...
async def nothing(room_id: int) -> None: ...
async def untyped(message) -> None: ...  # type: ignore[no-untyped-def]
async def two(message: Say, other: SayToo) -> None: ...
async def two_marked(a: Annotated[Say, Message()], b: Annotated[Say, Message()]) -> None: ...
async def wrong_reply(message: Other) -> Untagged | None: ...
async def wrong_items(message: Other) -> AsyncIterator[Untagged]:
    yield Untagged(text="")


def generator(message: Say) -> Iterator[Said]:
    yield Said()


async def needs_once(message: Say, value: Annotated[int, Depends(once)]) -> None: ...
async def reads_message_once(message: Say, text: Annotated[str, Depends(of_message)]) -> None: ...
async def no_such_member(message: Say, text: Annotated[str, Depends(of_message, scope="message")]) -> None: ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (say_too, r"say_too \(.*test_declaring.py:\d+\) and say \(.*test_declaring.py:\d+\) both take .* \"say\""),
        (
            untagged,
            r"untagged \(.*declaring.py:\d+\) takes Untagged \(.*declaring.py:\d+\), which has no tag",
        ),
        (nothing, "nothing .* has no parameter for the message"),
        (untyped, "untyped .* has no parameter for the message"),
        (two, "two .* has two parameters that could be the message: 'message' and 'other'"),
        (two_marked, "two_marked .* more than one parameter for the message: 'a' and 'b'"),
        (
            wrong_reply,
            r"wrong_reply \(.*declaring.py:\d+\) returns Untagged \(.*declaring.py:\d+\), which the route "
            r"'/rooms/{room_id}' \(.*declaring.py:\d+\) does not send: sends=Said",
        ),
        (wrong_items, "wrong_items .* returns Untagged"),
        (generator, "generator .* is a generator"),
    ],
)
def test_handlers_that_cannot_be(room: Messages, function: Callable[..., Any], text: str) -> None:
    room.on(say)
    with pytest.raises(FastAPIError, match=text):
        room.on(function)
    with pytest.raises(FastAPIError, match="both take"):  # the refused one is gone, the first one is there
        room.on(say)


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (needs_once, DependencyScopeError, "'once' of the route .* lives as long as the socket, .* 'per_message'"),
        (reads_message_once, DependencyScopeError, "'of_message' .* parameter 'text' cannot be read from a message"),
        (no_such_member, FastAPIError, "'text' of 'of_message' is read from a message, but 'Say' has no such member"),
    ],
)
def test_scopes_that_do_not_fit(
    room: Messages, function: Callable[..., Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        room.on(function)


def test_beginning_and_end(room: Messages) -> None:
    @room.on_connect
    async def joined() -> Said:
        return Said()

    with pytest.raises(FastAPIError, match="joined .* and .*joined .* both handle the beginning of a socket"):
        room.on_connect(joined)
    with pytest.raises(FastAPIError, match="is read from a message, but its handler gets none"):

        @room.on_disconnect
        async def left(end: Disconnect, text: Annotated[str, Depends(of_message, scope="message")]) -> None: ...

    with pytest.raises(FastAPIError, match="gets no message, so its parameter 'message' has no source"):

        @room.on_disconnect
        async def later(message: Say) -> None: ...


def test_streams_and_listeners() -> None:
    app = App()
    with pytest.raises(FastAPIError, match="no asynchronous generator"):
        app.websocket_stream("/")(say)
    with pytest.raises(FastAPIError, match="has no parameter for the message"):
        app.websocket_listener("/{room_id}")(nothing)
    with pytest.raises(FastAPIError, match="parameter 'message' for the message has no type"):
        app.websocket_listener("/")(untyped)
    assert not [route for route in app.routes if hasattr(route, "registry")]


def test_frames_that_leave_nothing() -> None:
    room = App().messages("/")
    room.on(say)

    @room.on
    async def text(message: str) -> None: ...

    with pytest.raises(FastAPIError, match="text .* and .*binary .* take all frames"):

        @room.on
        async def binary(message: bytes) -> None: ...


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_invalid": "shout"}, ValueError),
        ({"on_error": "ignore"}, ValueError),
        ({"max_invalid": 0}, ValueError),
        ({"max_invalid": True}, ValueError),
        ({"in_flight": 2**31}, ValueError),
        ({"tag": ""}, ValueError),
        ({"tag": "ref"}, ValueError),
        ({"per_message_deflate": 1}, TypeError),
        ({"max_size": 0}, ValueError),
        ({"send_timeout": "1"}, TypeError),
        ({"sizes": 1}, TypeError),
    ],
)
def test_options_that_cannot_be(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(next(iter(options)))):
        App().messages("/", **options)


def test_options_of_handlers(room: Messages) -> None:
    with pytest.raises(TypeError, match="takes no 'model'"):
        room.on(model=Say)(say)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a tag is a str or an int, not float"):
        room.on(1.5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a handler is a function, not int"):
        room.on("a")(1)  # type: ignore[type-var]


def test_message_scope_is_for_sockets() -> None:
    app = App()
    with pytest.raises(DependencyScopeError, match="'per_message' of the route '/plain' has the scope \"message\""):

        @app.get("/plain")
        async def plain(value: Annotated[int, Depends(per_message, scope="message")]) -> None: ...

    with pytest.raises(DependencyScopeError, match="'per_message' of the route '/below'"):

        @app.get("/below")
        async def below(value: Annotated[int, Depends(once)]) -> None: ...


def test_names_that_are_missing(room: Messages) -> None:
    async def later(message: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UnresolvedAnnotation, match="'Missing' cannot be found"):
        room.on(later)


def test_what_marks_the_message() -> None:
    """Each declaration finds the same parameter; the others keep their meaning."""
    app = App()
    room = app.messages("/{room_id}")

    @room.on
    async def inferred(room_id: int, q: int, message: Say) -> None: ...

    @room.on("a")
    async def marked(q: int, message: Annotated[Untagged, Message()]) -> None: ...

    @room.on("b")
    async def by_default(q: int, message: Untagged = Message()) -> None: ...  # noqa: B008

    @room.on("c")
    async def members(room_id: int, text: str, q: Annotated[int, Query()], size: int = 3) -> None: ...

    handlers = [route for route in app.routes if hasattr(route, "registry")][0].handlers  # type: ignore[attr-defined]
    assert [(handler.parameter, [field.name for field in handler.dependant.query_params]) for handler in handlers] == [
        ("message", ["q"]), ("message", ["q"]), ("message", ["q"]), ("message_", ["q"]),
    ]  # fmt: skip
    assert list(handlers[3].message.model_fields) == ["text", "size"]


def test_refused_before_it_is_accepted() -> None:
    from asgi import connect

    app = App()
    room = app.messages("/")
    seen: list[Any] = []

    @room.on_connect
    async def joined(websocket: WebSocket, how: Annotated[str, Query()]) -> None:
        if how == "message":
            raise MessageError("full", "the room is full")
        await websocket.close(4000, "no")

    @room.on_disconnect
    async def left(end: Disconnect) -> None:
        seen.append(end)

    assert connect(app, "/?how=message").sent == [
        {"type": "websocket.close", "code": 1008, "reason": "the room is full"}
    ]
    assert connect(app, "/?how=close").sent == [{"type": "websocket.close", "code": 4000, "reason": "no"}]
    assert connect(app, "/").sent[0]["type"] == "websocket.close"
    assert seen == [(1008, "the room is full"), (1000, "")]


@pytest.mark.parametrize("where", ["handler", "dependency"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_server_that_stops_is_a_cancellation(where: str, fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    from asgi import websocket_scope

    app = App()
    room = app.messages("/")
    seen: list[Any] = []

    async def wait(here: str) -> None:
        if here == where:
            try:
                await asyncio.Event().wait()
            finally:
                seen.append("ended")
                if fails:
                    raise ZeroDivisionError

    async def held() -> AsyncIterator[None]:
        await wait("dependency")
        yield

    @room.on
    async def handle(message: Say, value: Annotated[None, Depends(held, scope="message")]) -> None:
        await wait("handler")

    @room.on_disconnect
    async def left(end: Disconnect) -> None:
        await asyncio.sleep(0)
        seen.append(end.code)

    async def main() -> None:
        events = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": '{"type": "say"}'}])
        waiting = asyncio.Event()

        async def receive() -> Any:
            for event in events:
                return event
            waiting.set()
            await asyncio.Event().wait()

        async def send(message: Any) -> None: ...

        task = asyncio.create_task(app(websocket_scope(), receive, send))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["ended", 1001]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError] * fails


def test_models_whose_names_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that pydantic could not finish is finished by the names that the handler's module has."""
    source = """
from __future__ import annotations
from pydantic import BaseModel
from wirefast import App

class Early(BaseModel):
    type: Literal["early"]

class Answer(BaseModel):
    type: Literal["answer"] = "answer"

from typing import Literal
app = App()
room = app.messages("/", sends=Answer)

@room.on
async def early(message: Early) -> Answer:
    return Answer()
"""
    from asgi import connect

    names: dict[str, Any] = {"__name__": "module_that_is_not_imported"}
    exec(source, names)
    assert connect(names["app"], "/", '{"type": "early"}').texts == ['{"type":"answer"}']


def test_a_handler_is_analysed_once_for_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many stand in the route: two hundred are declared at the cost of two hundred."""
    from wirefast.messages import route

    analysed: list[Any] = []
    real = route.analyse
    monkeypatch.setattr(route, "analyse", lambda declared, *rest: analysed.append(declared) or real(declared, *rest))
    room = App().messages("/{room_id}")
    for number in range(20):
        room.on(f"kind{number}")(nothing_of_members)
    assert len(analysed) == 20


async def nothing_of_members(room_id: int, size: int = 1) -> None: ...
