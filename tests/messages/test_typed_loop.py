"""receive_message(), iter_messages() and send_message() in plain endpoints, over every way that messages come."""

import asyncio
import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from asgi import Client, connect
from ways import OURS
from wirefast import App, WebSocket, WebSocketException
from wirefast._core.message_input import KNOWN_TYPES, UNHASHABLE_TYPES, known_types
from wirefast.messages import InvalidMessage
from wirefast.testing import Live


class Say(BaseModel, extra="forbid"):
    type: Literal["say", "shout"]
    text: Annotated[str, Field(max_length=5)]


class Typing(BaseModel):
    type: Literal["typing"]


class Said(BaseModel):
    type: Literal["said"] = "said"
    text: str = Field(serialization_alias="words")


@dataclass
class Point:
    x: int


MALFORMED = {"type": "error", "code": "malformed"}
UNKNOWN = {"type": "error", "code": "unknown_type"}


def told(reply: Any) -> Any:
    """A reply without the words of its errors."""
    for error in reply.get("errors", ()):
        assert error.pop("msg")
    return reply


def looping(model: Any, app: App | None = None, **options: Any) -> App:
    """An application that tells of each message, of the exception that ends its loop, and then that it is over."""
    app = app or App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket[Said]) -> None:
        await websocket.accept()
        try:
            async for message in websocket.iter_messages(model, **options):
                await websocket.send_message(Said(text=repr(message)))
        except InvalidMessage as exc:
            await websocket.send_json({"raised": exc.reason, "reply": told(exc.reply())})
        else:
            if websocket.connected:
                await websocket.send_json("over")

    return app


def said(text: str) -> Any:
    return {"type": "said", "words": text}


@pytest.mark.live(looping(Say | Typing))
async def test_each_message_is_validated(live: Live) -> None:
    async with live.connect("/") as socket:
        await socket.ask({"type": "say", "text": "x"}, said("Say(type='say', text='x')"))
        await socket.ask(b'{"type": "shout", "text": "\xc3\xa9"}', said("Say(type='shout', text='é')"))
        await socket.ask({"type": "typing"}, said("Typing(type='typing')"))
        await socket.ask({"type": "typing", "ref": 7}, said("Typing(type='typing')"))
        await socket.ask({"type": "say", "text": "x", "ref": "…"}, said("Say(type='say', text='x')"))  # extra="forbid"


@pytest.mark.live(looping(Say | Typing))
async def test_what_is_not_valid_is_answered(live: Live) -> None:
    async with live.connect("/") as socket:
        for malformed in ("{", "[1]", "", b"\x00"):
            await socket.ask(malformed, MALFORMED)
        for unknown in ({}, {"type": "other"}, {"type": None}):
            await socket.ask(unknown, UNKNOWN)
        await socket.ask({"type": "other", "ref": 1}, {"ref": 1, **UNKNOWN})
        assert told(await socket.ask({"type": "say", "text": "secret", "hunter2": 1, "ref": "r"})) == {
            "ref": "r", "type": "error", "code": "invalid",
            "errors": [{"type": "string_too_long", "loc": ["text"]}, {"type": "extra_forbidden", "loc": ["…"]}],
        }  # fmt: skip
        assert (await socket.ask({"type": "say", "text": "x"}))["type"] == "said"


@pytest.mark.parametrize("count", [1, 3, 10])
async def test_too_many_in_a_row_close(app: App, live: Live, count: int) -> None:
    looping(Typing, app, max_invalid=count)
    async with live.connect("/") as socket:
        for _ in range(count - 1):
            await socket.ask("{", MALFORMED)
        assert (await socket.ask({"type": "typing"}))["type"] == "said"  # which ends the row
        for _ in range(count):
            await socket.ask("{", MALFORMED)
        await socket.expect_close(1008, "too many invalid messages")


@pytest.mark.live(looping(Typing, on_invalid="ignore", max_invalid=3))
async def test_messages_may_be_ignored(live: Live) -> None:
    async with live.connect("/") as socket:
        await socket.send_all("{", "{")
        assert (await socket.ask({"type": "typing"}))["type"] == "said"
        await socket.send_all("{", "{", "{")
        await socket.expect_close(1008, "too many invalid messages")


@pytest.mark.live(looping(Say, on_invalid="raise"))
async def test_messages_may_raise(live: Live) -> None:
    async with live.connect("/") as socket:
        raised = await socket.ask({"type": "say", "text": 1, "ref": 2})
    errors = [{"type": "string_type", "loc": ["text"]}]
    assert raised == {"raised": "invalid", "reply": {"ref": 2, "type": "error", "code": "invalid", "errors": errors}}


async def test_another_tag(app: App, live: Live) -> None:
    class Move(BaseModel):
        action: Literal["move", 7]

    class Stay(BaseModel):
        action: Literal["stay"]

    looping(Move | Stay, app, tag="action")
    async with live.connect("/") as socket:
        await socket.ask({"action": 7}, said("Move(action=7)"))
        await socket.ask({"action": "stay"}, said("Stay(action='stay')"))
        await socket.ask({"type": "stay"}, {"action": "error", "code": "unknown_type"})


@pytest.mark.parametrize(
    ("model", "frame", "value"),
    [
        (Say, '{"type": "say", "text": "x"}', Say(type="say", text="x")),
        (Point, '{"x": 1}', Point(x=1)),
        (list[int], "[1, 2]", [1, 2]),
        (int | str, "1", "1"),
        (str, "{", "{"),
        (bytes, b"{", b"{"),
        (Typing | bytes, b"{", b"{"),
        (Typing | bytes, '{"type": "typing"}', Typing(type="typing")),
        (Typing | None, "null", None),
        (Annotated[int, Field(gt=3)], "4", 4),
        (Annotated[Say | Typing, Field(discriminator="type")], '{"type": "typing"}', Typing(type="typing")),
        (Any, '{"a": [1]}', {"a": [1]}),
    ],
)
@pytest.mark.parametrize("waits", [True, False])
def test_types(model: Any, frame: Any, value: Any, waits: bool) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        seen.append(await websocket.receive_message(model))

    asyncio.run(Client(frame, waits=waits).connect(app))
    assert seen == [value] and type(seen[0]) is type(value)


async def test_unhandled_it_closes_without_a_traceback(app: App, live: Live, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_message(Say)

    for message, reason in (({"type": "say"}, "invalid"), ("{", "malformed")):
        async with live.connect("/") as socket:
            await socket.send(message)
            await socket.expect_close(1008, reason)
    assert "Traceback" not in caplog.text


def test_the_error_is_both_and_has_its_cause() -> None:
    caught: list[InvalidMessage] = []
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(3):
            try:
                await websocket.receive_message(Say)
            except ValueError as exc:
                assert isinstance(exc, InvalidMessage) and isinstance(exc, WebSocketException)
                caught.append(exc)
        await websocket.receive_message(Say)  # and the socket goes on

    connect(app, "/", "{", '{"type": "say", "text": 5}', '{"ref": 1.5}', '{"type": "say", "text": "x"}')
    assert [(exc.code, exc.reason, exc.ref) for exc in caught] == [
        (1008, "malformed", None), (1008, "invalid", None), (1008, "invalid", None),
    ]  # fmt: skip
    assert isinstance(caught[1].__cause__, ValidationError)
    assert caught[2].errors is not None and caught[2].errors[0]["loc"] == ["ref"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_invalid": "close"}, "on_invalid is 'reply', 'raise' or 'ignore', not 'close'"),
        ({"max_invalid": 0}, "max_invalid is a positive integer, not 0"),
        ({"max_invalid": 2**31}, "max_invalid is a positive integer"),
        ({"max_invalid": True}, "max_invalid is a positive integer"),
    ],
)
def test_options_of_the_loop_that_cannot_be(options: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        connect(looping(Say, **options), "/")


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        (Said(text="é"), {"text": '{"type":"said","words":"é"}'}),
        (Said(text="\ud800"), {"text": '{"type":"said","words":"�"}'}),
        (Point(x=1), {"text": '{"x":1}'}),
        ({"a": Said(text="x")}, {"text": '{"a":{"type":"said","text":"x"}}'}),
        ([1], {"text": "[1]"}),
        ("{", {"text": "{"}),
        (b"{", {"bytes": b"{"}),
    ],
)
def test_what_is_sent(message: Any, sent: Any) -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_message(message)

    assert connect(app, "/").sent[1] == {"type": "websocket.send", **sent}


def test_what_has_no_json_is_an_error() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(TypeError, match="object is not JSON serializable"):
            await websocket.send_message(object())

    connect(app, "/")


def test_before_the_accept_and_after_the_end() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        with pytest.raises(RuntimeError, match='Need to call "accept" first'):
            await websocket.receive_message(Say)
        await websocket.accept()
        assert [message async for message in websocket.iter_messages(Say)] == []
        with pytest.raises(RuntimeError, match="disconnect message has been received"):
            await websocket.receive_message(Say)

    connect(app, "/")


@pytest.mark.parametrize("live", OURS, indirect=True)  # what other servers lose then is theirs
async def test_a_cancelled_receive_loses_no_message(app: App, live: Live) -> None:
    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("open")
        while True:
            try:
                message = await asyncio.wait_for(websocket.receive_message(Say), 0.001)
            except (asyncio.TimeoutError, TimeoutError):
                continue
            await websocket.send_message(message)
            return

    async with live.connect("/") as socket:
        await socket.expect("open")
        await socket.ask({"type": "say", "text": "x"}, {"type": "say", "text": "x"})


def test_validators_are_made_once_and_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    original = TypeAdapter.__init__

    def counted(self: Any, type: Any, **options: Any) -> None:
        made.append(type)
        original(self, type, **options)

    monkeypatch.setattr(TypeAdapter, "__init__", counted)
    app = App()
    models: list[Any] = []

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        for model in models:
            await websocket.receive_message(model)

    models[:] = [list[int] | dict[str, int]] * 3 + [list[int] | dict[str, int]]
    connect(app, "/", *["[1]"] * 4)
    assert len(made) == 1
    made.clear()
    models[:] = [Annotated[list[int], ["no hash"]] for _ in range(4)]
    connect(app, "/", *["[1]"] * 4)
    assert len(made) == 1
    models[:] = [Literal[number] for number in range(KNOWN_TYPES + 5)]
    connect(app, "/", *[json.dumps(number) for number in range(KNOWN_TYPES + 5)])
    models[:] = [Annotated[int, [number]] for number in range(UNHASHABLE_TYPES + 5)]
    connect(app, "/", *["0"] * (UNHASHABLE_TYPES + 5))
    assert known_types() == (KNOWN_TYPES, UNHASHABLE_TYPES)


def test_the_parameter_costs_nothing() -> None:
    assert WebSocket[Said | Say] is WebSocket
    assert WebSocket["Later"] is WebSocket  # type: ignore[type-arg,name-defined]  # noqa: F821

    class Own(WebSocket[Said]): ...

    assert Own.__bases__ == (WebSocket,) and Own[Said] is Own  # type: ignore[misc]
