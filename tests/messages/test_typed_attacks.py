"""What a client or a careless application might try on typed routes, by each way that messages can come."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from message_models import Said, Say, Strict
from pydantic import BaseModel, field_validator

from wirefast import App, Depends, HTTPException, WebSocket
from wirefast.messages import Disconnect, MessageError, measuring
from wirefast.responses import StreamingResponse
from wirefast.testing import Live

SAID = {"type": "said", "text": "x", "by": None}


def echo(app: App) -> None:
    """Declare one route whose handlers answer with what they got."""
    room = app.messages("/")

    @room.on
    async def say(message: Say) -> Said:
        return Said(text=message.text)

    @room.on
    async def strict(message: Strict) -> Said:
        return Said(text=str(message.n))


@pytest.mark.parametrize(
    "ref",
    ["x" * 64, "é" * 32, "", '"\\', "\x00\x1f", "\u2028", "𝄞" * 16, 0, -1, 10**63, 2**53 + 1],
    ids=lambda ref: ascii(ref)[:20],
)
async def test_every_ref_comes_back_as_it_was(app: App, live: Live, ref: Any) -> None:
    echo(app)
    async with live.connect("/") as socket:
        for message, answer in (
            ({"type": "say", "text": "x"}, SAID),
            ({"type": "strict", "n": 1}, {**SAID, "text": "1"}),  # extra="forbid"
        ):
            for sent in ({"ref": ref, **message}, {**message, "ref": ref}):
                await socket.ask(json.dumps(sent), {"ref": ref, **answer})
                await socket.ask(json.dumps(sent, ensure_ascii=False, indent=9), {"ref": ref, **answer})
        unknown = json.dumps({"type": "nope", "ref": ref})
        await socket.ask(unknown, {"ref": ref, "type": "error", "code": "unknown_type"})


@pytest.mark.parametrize(
    "ref",
    ["true", "false", "1.0", "1e3", "-", "[]", "{}", '{"ref": 1}', '["a"]', f'"{"x" * 65}"', f'"{"é" * 32}x"',
     "1" * 65, f'"{"a" * 50_000}"', "[" * 25_000 + "]" * 25_000, r'"\ud800"', r'"\ud83d"',
     "\ufeff1", '\ufeff"a"', "1\0", "\0001", '"\0a\0"\0', '@, "ref": 1'],
    ids=lambda ref: ref[:12],
)  # fmt: skip
async def test_what_is_no_ref_is_an_error_without_it(app: App, live: Live, ref: str) -> None:
    echo(app)
    async with live.connect("/") as socket:
        for kind in ("say", "strict", "nope"):
            answer = await socket.ask(f'{{"type": "{kind}", "text": "x", "ref": {ref}}}')
            assert answer["code"] in ("invalid", "malformed") and "ref" not in answer
            assert "aaaa" not in str(answer)
        await socket.ask({"type": "say", "text": "x"}, SAID)


async def test_of_members_that_come_twice_the_last_one_counts(app: App, live: Live) -> None:
    """As pydantic reads them: tag, ref and the rest never belong to two readings of one message."""
    echo(app)
    async with live.connect("/") as socket:
        await socket.ask('{"type": "strict", "type": "say", "text": "x"}', SAID)
        await socket.ask('{"type": "nope", "text": "y", "text": "x", "t\\u0079pe": "say"}', SAID)
        assert (await socket.ask('{"type": "say", "type": "nope", "text": "x"}'))["code"] == "unknown_type"
        assert (await socket.ask('{"ref": 1, "type": "strict", "ref": "b", "n": 1}'))["ref"] == "b"
        assert (await socket.ask('{"ref": 1, "type": "strict", "r\\u0065f": 2, "n": 1}'))["ref"] == 2
        await socket.ask('{"ref": 1, "type": "say", "text": "x", "ref": null}', SAID)
        assert "ref" not in await socket.ask('{"ref": 1, "type": "say", "text": "x", "ref": []}')
        assert (await socket.ask('{"type": "strict", "n": 1, "n": 2}'))["text"] == "2"


async def test_tags_that_no_message_has(app: App, live: Live) -> None:
    echo(app)
    deep = "[" * 300 + "]" * 300
    async with live.connect("/") as socket:
        for tag in ("null", "true", "NaN", "1" * 5000, deep, r'"\ud800"', '"say\\u0000"', '"Say"', '" say"', '""'):
            assert (await socket.ask(f'{{"type": {tag}, "text": "x"}}'))["code"] in ("unknown_type", "malformed")
            await socket.ask({"type": "say", "text": "x"}, SAID)


class Secret(BaseModel):
    type: Literal["secret"]
    word: str = ""
    number: int = 0
    names: list[str] = []

    @field_validator("word", "number", "names")
    @classmethod
    def quote(cls, value: Any) -> Any:
        quoted = ", ".join(value) if isinstance(value, list) else value
        raise ValueError(f"{quoted} is not taken here")


@pytest.mark.parametrize("sent", ["hunter2", "pa ss", "s3cr3t-and-long", 4711, ["hunter2", "other"]], ids=str)
async def test_what_a_validator_quotes_is_in_no_error(app: App, live: Live, sent: Any) -> None:
    room = app.messages("/")

    @room.on
    async def secret(message: Secret) -> None: ...

    name = {str: "word", int: "number", list: "names"}[type(sent)]
    async with live.connect("/") as socket:
        (error,) = (await socket.ask({"type": "secret", name: sent}))["errors"]
    assert error["loc"] == [name] and "is not taken here" in error["msg"]
    for word in sent if isinstance(sent, list) else [str(sent)]:
        assert word not in error["msg"]


def careless() -> App:
    """Return an application whose answers have no JSON form."""

    class Mine(Exception): ...

    app = App()

    @app.exception_handler(Mine)
    async def mine(websocket: WebSocket, exc: Mine) -> Any:
        return 5 if exc.args else StreamingResponse(iter(["x"]))

    room = app.messages("/")

    @room.on
    async def say(message: Say) -> Any:
        if message.text == "data":
            raise MessageError("full", data=object())
        if message.text == "detail":
            raise HTTPException(400, detail={"at": object()})
        if message.text == "reply":
            return object()
        if message.text == "response":
            raise Mine(1)
        if message.text == "stream":
            raise Mine
        if message.text == "date":
            raise HTTPException(409, detail={"since": datetime(2026, 1, 1)})
        return Said(text="x")

    return app


@pytest.mark.live(app=careless)
async def test_an_answer_without_json_is_an_internal_error(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    """The application's mistake: one traceback, and the socket lives."""
    with live.expect_exception(TypeError, times=5):
        socket = await live.connect("/")
        for number, text in enumerate(("data", "detail", "reply", "response", "stream"), 1):
            internal = {"ref": 1, "type": "error", "code": "internal"}
            await socket.ask({"type": "say", "text": text, "ref": 1}, internal)
            assert len([record for record in caplog.records if record.exc_info]) == number
            await socket.ask({"type": "say", "text": "x"}, SAID)
        detail = {"since": "2026-01-01T00:00:00"}
        answer = {"type": "error", "code": "http", "status": 409, "detail": detail}
        await socket.ask({"type": "say", "text": "date"}, answer)
        await socket.close()


@pytest.mark.parametrize("timed", [False, True])
async def test_a_handler_of_replies_ends_with_the_socket(
    app: App, live: Live, timed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives replies for ever: it ends, its generators are left, then comes on_disconnect, with the peer's code."""
    monkeypatch.setattr(measuring, "counters", SimpleNamespace(is_on=lambda: timed))
    log: list[Any] = []
    room = app.messages("/")

    async def held() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("left")

    @room.on
    async def say(message: Say, held: Annotated[None, Depends(held, scope="message")]) -> AsyncIterator[Said]:
        try:
            while True:
                yield Said(text="x" * 1000)
                await asyncio.sleep(0)
        finally:
            log.append("ended")

    @room.on_disconnect
    async def gone(end: Disconnect) -> None:
        log.append(("gone", end.code))

    async with live.connect("/") as socket:
        assert (await socket.ask({"type": "say", "text": ""}))["text"] == "x" * 1000
        await socket.close(4000)
    assert log == ["ended", "left", ("gone", 4000)]
