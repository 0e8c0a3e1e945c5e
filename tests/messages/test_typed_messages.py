"""Typed messages over TestClient, our protocol and another one: dispatch, replies, errors. What handlers run in and
when they end is in test_typed_handlers.py.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from message_models import Deep, Log, Move, Open, Plain, Said, Say, Shape, Strict, invalid, told

from wirefast import App, HTTPException, Query, WebSocket, WebSocketException
from wirefast.messages import Disconnect, MessageError
from wirefast.param_functions import Message
from wirefast.responses import JSONResponse


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
