"""Whatever a client sends: one answer each, in order, against a plain model; the log has what handlers raised alone."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from asgi import Client, connect
from wirefast import App, Depends, HTTPException
from wirefast.messages import Disconnect, MessageError
from wirefast.param_functions import Message


class Say(BaseModel, extra="forbid"):
    type: Literal["say"]
    text: Annotated[str, Field(max_length=5)]
    fails: Literal["handler", "dependency", "http", "bug", None] = None
    waits: bool = False


class Add(BaseModel):
    type: Literal["add", 7]
    n: int


class Reply(BaseModel):
    value: str | int


class Room:
    """An application, and what its generators and its end did."""

    def __init__(self) -> None:
        self.open = self.closed = 0
        self.ends: list[int] = []
        self.app = App()
        room = self.app.messages("/", max_invalid=2**31 - 1)

        async def session(fails: Annotated[Any, Message()]) -> AsyncIterator[None]:
            if fails == "dependency":
                raise MessageError("dependency")
            self.open += 1
            try:
                yield
            finally:
                self.closed += 1

        @room.on
        async def say(message: Say, held: Annotated[None, Depends(session, scope="message")]) -> Reply:
            if message.waits:
                await asyncio.sleep(0)
            if message.fails == "handler":
                raise MessageError("handler")
            if message.fails == "http":
                raise HTTPException(404, "no")
            if message.fails == "bug":
                raise ZeroDivisionError
            return Reply(value=message.text)

        @room.on
        async def add(message: Add) -> Reply:
            return Reply(value=message.n + 1)

        @room.on_disconnect
        async def left(end: Disconnect) -> None:
            self.ends.append(end.code)


def expected(message: Any) -> dict[str, Any]:
    """What the client is told, without the words of errors; by json and a few ifs."""
    if not isinstance(message, dict):
        return {"code": "malformed"}
    ref = message.get("ref")
    known = (
        type(ref) is int and len(str(ref)) <= 64 or type(ref) is str and len(ref.encode("utf-8", "surrogatepass")) <= 64
    )
    if ref is not None and not known:
        return {"code": "invalid"}
    carried = {} if ref is None else {"ref": ref}
    kind = message.get("type")
    if kind == "say" and type(kind) is str:
        members = {key for key in message if key != "ref"}
        text, fails = message.get("text"), message.get("fails")
        valid = type(text) is str and len(text) <= 5 and members <= {"type", "text", "fails", "waits"}
        valid = valid and (fails is None or fails in ("handler", "dependency", "http", "bug"))
        if not valid or type(message.get("waits", False)) is not bool:
            return {**carried, "code": "invalid"}
        if fails is not None:
            return {**carried, "code": {"bug": "internal"}.get(fails, fails)}
        return {**carried, "value": text}
    if kind == "add" or (type(kind) is int and kind == 7):
        n = message.get("n")
        return {**carried, "value": n + 1} if type(n) is int else {**carried, "code": "invalid"}
    return {**carried, "code": "unknown_type"}


REFS = st.none() | st.integers(-(10**70), 10**70) | st.text(max_size=70) | st.sampled_from([1.5, True, [], {}])
MESSAGES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["say", "say", "say", "add", 7, "nope", None, 7.5])},
        optional={
            "text": st.text(max_size=6),
            "fails": st.sampled_from(["handler", "dependency", "http", "bug", "other"]),
            "waits": st.booleans(),
            "n": st.integers(0, 10**20),
            "ref": REFS,
            "more": st.just(1),
        },
    ),
    st.sampled_from([[], "say", 1, None]),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(MESSAGES, st.booleans(), st.booleans()), max_size=6), st.booleans())
def test_one_answer_each(messages: list[tuple[Any, bool, bool]], waits: bool) -> None:
    room = Room()
    frames: list[Any] = []
    for message, binary, ascii_only in messages:
        text = json.dumps(message, ensure_ascii=ascii_only)
        frames.append(text.encode() if binary else text)
    client = Slow(*frames) if waits else Client(*frames)
    logger = logging.getLogger("wirefast.messages")
    logger.disabled = True
    try:
        asyncio.run(client.connect(room.app, "/"))
    finally:
        logger.disabled = False
    replies = [json.loads(text) for text in client.texts]
    assert [{key: reply[key] for key in ("ref", "code", "value") if key in reply} for reply in replies] == [
        expected(message) for message, _, _ in messages
    ]
    assert room.open == room.closed
    assert room.ends == [1000]


class Slow(Client):
    """Gives each message once the one before it was answered."""

    async def receive(self) -> Any:
        asked = len([event for event in self.events if event["type"] == "websocket.receive"])
        total = getattr(self, "total", None)
        if total is None:
            self.total = total = asked
        while len(self.sent) - 1 < total - asked and self.events[0]["type"] != "websocket.connect":
            await asyncio.sleep(0)
        return await super().receive()


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: '{"type":"say","text":"' + text))
@example(b'{"type":"say","text":"\xff"}')
@example(b'{"type":"say","text":"\\ud800"}')
@example('{"type":"say","text":"x","ref":"\\ud800"}')
@example(b"[" * 100_000)
@example(b'{"type":' + b"[" * 100_000)
@example(b'{"type":"add","n":' + b"9" * 5000 + b"}")
def test_any_bytes_get_one_reply(caplog: pytest.LogCaptureFixture, frame: bytes | str) -> None:
    caplog.clear()
    client = connect(Room().app, "/", frame)
    assert len(client.texts) == 1
    assert json.loads(client.texts[0])["type"] == "error" or "value" in client.texts[0]
    assert not caplog.records
