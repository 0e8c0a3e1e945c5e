"""Typed messages: dispatch, replies, errors. What handlers run in and when they end is in test_typed_handlers.py."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from message_models import Deep, Move, Plain, Said, Say, Shape, Strict, invalid, told

from wirefast import App, HTTPException, Query, WebSocket, WebSocketException
from wirefast.messages import Disconnect, MessageError
from wirefast.param_functions import Message
from wirefast.responses import JSONResponse
from wirefast.testing import Live


async def test_dispatch_and_replies(app: App, live: Live) -> None:
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

    async with live.connect("/rooms/3?name=bob") as socket:
        hello = {"type": "said", "text": "3: hello", "by": "bob"}
        await socket.ask({"type": "say", "text": "hello"}, hello)
        await socket.ask(b'{"text": "hello", "type": "say"}', hello)
        await socket.ask({"ref": 1, "type": "say", "text": "hello"}, {"ref": 1, **hello})
        await socket.ask({"ref": "é" * 32, "type": "say", "text": "hello"}, {"ref": "é" * 32, **hello})
        await socket.ask({"ref": None, "type": "say", "text": "hello"}, hello)
        await socket.ask({"type": "strict", "n": 2, "ref": 5}, {"ref": 5, "type": "said", "text": "0"})
        await socket.expect({"ref": 5, "type": "said", "text": "1"})
        await socket.send({"type": "down"})
        assert (await socket.ask({"type": "up"}))["text"] == "up"
        assert (await socket.ask({"type": "plain", "text": "a"}))["text"] == "aa"
        assert (await socket.ask({"type": 7, "text": "a", "times": 3}))["text"] == "aaa"
        await socket.ask(r'{"t\u0079pe": "s\u0061y", "text": "hello"}', hello)


async def test_errors_are_replies(app: App, live: Live) -> None:
    room = app.messages("/")

    @room.on
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @room.on
    async def strict(message: Strict) -> None: ...

    async with live.connect("/") as socket:
        for malformed in (
            "{",
            "",
            "[1]",
            '"say"',
            "nul",
            '{"type": "say", "text": tru}',
            b'{"type": "say", "text": "\xff"}',
        ):
            await socket.ask(malformed, {"type": "error", "code": "malformed"})
            assert (await socket.ask({"type": "say", "text": "x"}))["text"] == "x"
        for unknown in ({}, {"type": "nope"}, {"type": None}, {"type": ["say"]}, {"type": {"a": 1}}, {"Type": "say"}):
            await socket.ask(unknown, {"type": "error", "code": "unknown_type"})
            assert (await socket.ask({"type": "say", "text": "x"}))["text"] == "x"
        assert told(await socket.ask({"type": "say", "text": "x" * 21, "ref": "r"})) == {
            "ref": "r", "type": "error", "code": "invalid", "errors": [invalid("text")],
        }  # fmt: skip
        for ref in (1.5, True, [1], {"a": 1}, "x" * 65, 10**64):
            error = told(await socket.ask({"type": "say", "text": "x", "ref": ref}))
            assert error == {"type": "error", "code": "invalid", "errors": [invalid("ref", type="ref_type")]}
            assert (await socket.ask({"type": "say", "text": "x", "ref": "x" * 64}))["ref"] == "x" * 64
            assert (await socket.ask({"type": "say", "text": "x", "ref": 10**63}))["ref"] == 10**63


async def test_what_the_client_sent_is_in_no_error(app: App, live: Live) -> None:
    quiet, loud = app.messages("/quiet"), app.messages("/loud", include_input=True)

    @quiet.on
    async def deep(message: Deep) -> None: ...

    loud.on(deep)
    sent = {"type": "deep", "by_name": {"secret": "s3cret"}, "hunter2": 1, "many": ["x"] * 30}
    reply = await live.ask("/quiet", sent)
    assert len(reply["errors"]) == 20
    assert told(reply)["errors"][0] == {"type": "int_parsing", "loc": ["by_name", "…"]}
    text = str(await live.ask("/quiet", {**sent, "many": []}))
    assert "secret" not in text and "s3cret" not in text and "hunter2" not in text
    assert (await live.ask("/loud", sent))["errors"][0]["input"] == "s3cret"


@pytest.mark.parametrize("count", [1, 3, 10])
async def test_too_many_invalid_messages(app: App, live: Live, count: int) -> None:
    room = app.messages("/", max_invalid=count)

    @room.on
    async def say(message: Say) -> Said:
        return Said(text="x")

    async with live.connect("/") as socket:
        for _ in range(count - 1):
            assert (await socket.ask("{"))["code"] == "malformed"
        assert (await socket.ask({"type": "say", "text": ""}))["text"] == "x"  # which ends the row
        for _ in range(count):
            assert (await socket.ask("{"))["code"] == "malformed"
        await socket.expect_close(1008, "too many invalid messages")


async def test_invalid_messages_may_be_ignored_or_close(app: App, live: Live) -> None:
    ends: list[Disconnect] = []
    ignoring = app.messages("/ignore", on_invalid="ignore", max_invalid=3)
    closing = app.messages("/close", on_invalid="close")

    @ignoring.on
    async def say(message: Say) -> Said:
        return Said(text="x")

    closing.on(say)

    @closing.on_disconnect
    async def left(end: Disconnect) -> None:
        ends.append(end)

    async with live.connect("/ignore") as socket:
        await socket.send_all("{", {"type": "nope"})
        assert (await socket.ask({"type": "say", "text": ""}))["text"] == "x"
        await socket.send_all("{", "{", "{")
        await socket.expect_close(1008, "too many invalid messages")
    async with live.connect("/close") as socket:
        await socket.send({"type": "nope"})
        await socket.expect_close(1008, "unknown_type")
    assert ends == [Disconnect(1008, "unknown_type")]


def failing() -> App:
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

    return app


@pytest.mark.live(app=failing)
async def test_exceptions(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    expected: dict[str, Any] = {
        "message": {"code": "full", "message": "the room is full", "data": {"limit": 2}},
        "code": {"code": "full"},
        "http": {"code": "http", "status": 404, "detail": "no such room"},
        "teapot": {"code": "http", "status": 418, "detail": ["short", "stout"]},
        "known": {"code": "http", "status": 409, "detail": "known"},
        "bug": {"code": "internal"},
    }
    with live.expect_exception(ZeroDivisionError, "s3cret"):
        socket = await live.connect("/")
        for kind in ("say", "sync"):
            for text, error in expected.items():
                await socket.ask({"type": kind, "text": text, "ref": 1}, {"ref": 1, "type": "error", **error})
            await socket.send({"type": kind, "text": "silent"})
            assert (await socket.ask({"type": "say", "text": "next"}))["text"] == "next"
        assert [record.levelname for record in caplog.records if record.name == "wirefast.messages"] == ["ERROR"] * 2
        assert caplog.text.count("ZeroDivisionError: s3cret") == 2
        await socket.send({"type": "say", "text": "close"})
        await socket.expect_close(4000, "enough")


async def test_an_unexpected_exception_may_close(app: App, live: Live, caplog: pytest.LogCaptureFixture) -> None:
    room = app.messages("/", on_error="close")

    @room.on
    async def say(message: Say) -> Said:
        raise ZeroDivisionError

    async with live.connect("/") as socket:
        await socket.send({"type": "say", "text": "x"})
        await socket.expect_close(1011, "")
    assert caplog.text.count("Traceback") == 1


async def test_replies_that_are_no_models(app: App, live: Live, caplog: pytest.LogCaptureFixture) -> None:
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

    async with live.connect("/") as socket:
        await socket.ask({"type": "any", "which": "dict", "ref": 1}, {"ref": 1, "a": 1})
        await socket.ask({"type": "any", "which": "list", "ref": 1}, [1])
        await socket.ask({"type": "any", "which": "model"}, {"type": "said", "text": "x", "by": None})
        await socket.ask({"type": "any", "which": "text"}, "raw {")
        await socket.ask({"type": "any", "which": "bytes"}, b"\x00")
        assert (await socket.ask({"type": "checked", "value": 1}))["text"] == "x"
        await socket.send({"type": "checked", "value": 0})
        await socket.expect_error("internal")
        await socket.send({"type": "up"})
        await socket.expect_all(Said(text="1"), Said(text="2"))


async def test_whole_frames(app: App, live: Live) -> None:
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

    async with live.connect("/") as socket:
        await socket.ask(b"abc", b"cba")
        assert (await socket.ask({"type": "say", "text": "x"}))["text"] == "x"
    async with live.connect("/raw?prefix=q") as socket:
        await socket.ask("é{", "qé{")
        assert (await socket.ask(b"\x00"))["code"] == "malformed"


async def test_unions_of_one_handler(app: App, live: Live) -> None:
    room = app.messages("/")

    @room.on
    async def either(message: Annotated[Shape | Say, "more"]) -> Said:
        return Said(text=type(message).__name__)

    async with live.connect("/") as socket:
        assert (await socket.ask({"type": "draw", "shape": "square", "side": 1}))["text"] == "Square"
        assert (await socket.ask({"type": "draw", "shape": "circle", "radius": 1}))["text"] == "Circle"
        assert (await socket.ask({"type": "say", "text": "x"}))["text"] == "Say"
        assert "pentagon" not in str(await socket.ask({"type": "draw", "shape": "pentagon"}))


async def test_a_tag_of_another_name_and_models_without_it(app: App, live: Live) -> None:
    room = app.messages("/", tag="action")

    @room.on("plain")
    async def plain(message: Plain) -> dict[str, int]:
        return {"n": message.n}

    async with live.connect("/") as socket:
        await socket.ask({"action": "plain", "n": 1, "ref": 2}, {"ref": 2, "n": 1})
        await socket.ask({"n": 1}, {"action": "error", "code": "unknown_type"})
