"""Random unions, messages, failures, and ends of the socket at any await, against a plain model of what happens."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from asgi import websocket_scope
from wirefast import App, Depends, HTTPException, WebSocket
from wirefast.messages import Disconnect, MessageError
from wirefast.param_functions import Message

Event = tuple[str, int]


class Script(BaseModel):
    """What a message makes its dependency and its handler do: how often each waits, what is sent, what fails."""

    number: int
    enter: int = 0
    run: int = 0
    leave: int = 0
    items: int = 1
    fails: Literal["enter", "run", "leave"] | None = None
    how: Literal["message", "http", "bug"] = "message"


class Item(BaseModel):
    number: int
    item: int


ERRORS = {"message": "scripted", "http": "http", "bug": "internal"}


@dataclass
class Scene:
    """A room: which tags each handler takes, and what its client sends."""

    handlers: list[list[list[str]]]  # handler -> models of its union -> tags of the model
    iterates: list[bool]
    strict: bool
    concurrent: bool
    in_flight: int
    messages: list[dict[str, Any]]
    slow: bool  # whether the server suspends in every receive and send
    # Loop turns until the socket ends, and whether the server stops then or the peer goes; None: once all is done.
    ends: tuple[int, bool] | None


@st.composite
def scenes(draw: Any) -> Scene:
    tags = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True))
    handlers: list[list[list[str]]] = [[[]]]
    for tag in tags:
        where = draw(st.integers(0, 2)) if handlers[-1][-1] else 0
        if where == 2:
            handlers.append([[]])
        elif where == 1:
            handlers[-1].append([])
        handlers[-1][-1].append(tag)
    waits = st.integers(0, 3)
    messages = []
    for number in range(draw(st.integers(0, 5))):
        message = draw(
            st.fixed_dictionaries(
                {"type": st.sampled_from([*tags, *tags, "other"])},
                optional={
                    "enter": waits,
                    "run": waits,
                    "leave": waits,
                    "items": st.integers(0, 2),
                    "fails": st.sampled_from(["enter", "run", "leave", None]),
                    "how": st.sampled_from(["message", "http", "bug"]),
                    "ref": st.integers() | st.text(max_size=3),
                    "more": st.just(1),
                },
            )
        )
        messages.append({**message, "number": number if draw(st.integers(0, 9)) else "no number"})
    return Scene(
        handlers,
        [draw(st.booleans()) for _ in handlers],
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.integers(1, 3)),
        messages,
        draw(st.booleans()),
        draw(st.none() | st.tuples(st.integers(2, 25), st.booleans()) | st.tuples(st.integers(1, 9), st.booleans())),
    )


def expected(scene: Scene, message: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Event]]:
    """What the client is told of one message, and what happens, when nothing ends it."""
    carried = {"ref": message["ref"]} if "ref" in message else {}
    place = [at for at, models in enumerate(scene.handlers) if any(message["type"] in tags for tags in models)]
    if not place:
        return [{**carried, "code": "unknown_type"}], []
    number = message["number"]
    if number == "no number" or (scene.strict and "more" in message):
        return [{**carried, "code": "invalid"}], []
    script = Script(**{key: message[key] for key in message if key in Script.model_fields})
    error = {**carried, "code": ERRORS[script.how]}
    if script.fails == "enter":
        return [error], [("enter", number), ("leave", number)]
    count = script.items if scene.iterates[place[0]] else min(script.items, 1)
    if script.fails == "run" and not scene.iterates[place[0]]:
        count = 0
    replies: list[dict[str, Any]] = [{**carried, "number": number, "item": item} for item in range(count)]
    return replies + ([error] if script.fails else []), [("enter", number), ("run", number), ("leave", number)]


@dataclass
class Room:
    """The application of a scene, and what happened in it."""

    scene: Scene
    log: list[Event] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    running: int = 0
    most: int = 0
    app: App = field(default_factory=App)

    def __post_init__(self) -> None:
        scene = self.scene
        room = self.app.messages("/", max_invalid=2**31 - 1, in_flight=scene.in_flight)
        for models, iterates in zip(scene.handlers, scene.iterates, strict=True):
            made = [
                create_model(
                    f"Of{''.join(tags)}", __base__=Script, type=(Literal[tuple(tags)], ...),
                    __cls_kwargs__={"extra": "forbid"} if scene.strict else {},
                )
                for tags in models
            ]  # fmt: skip
            union = Union[tuple(made)]  # noqa: UP007 - a union of what a list holds
            handler = self.iterating(union) if iterates else self.answering(union)
            room.on(concurrent=scene.concurrent)(handler)

        @room.on_connect
        async def joined(websocket: WebSocket) -> None:
            await websocket.accept()

        @room.on_disconnect
        async def left(end: Disconnect) -> None:
            await asyncio.sleep(0)
            self.ends.append(end.code)

    async def session(self, script: Annotated[Script, Message()]) -> AsyncIterator[None]:
        self.log.append(("enter", script.number))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.act(script, "enter", script.enter)
            yield
        finally:
            self.running -= 1
            self.log.append(("leave", script.number))
            await self.act(script, "leave", script.leave)

    async def act(self, script: Script, part: str, waits: int) -> None:
        for _ in range(waits):
            await asyncio.sleep(0)
        if script.fails == part:
            raise {"message": MessageError("scripted"), "http": HTTPException(404), "bug": ZeroDivisionError()}[
                script.how
            ]

    def answering(self, union: Any) -> Any:
        async def answer(message: union, held: Annotated[None, Depends(self.session, scope="message")]) -> Item | None:  # type: ignore[valid-type]
            self.log.append(("run", message.number))
            await self.act(message, "run", message.run)
            return Item(number=message.number, item=0) if message.items else None

        return answer

    def iterating(self, union: Any) -> Any:
        async def iterate(
            message: union,  # type: ignore[valid-type]
            held: Annotated[None, Depends(self.session, scope="message")],
        ) -> AsyncIterator[Item]:
            self.log.append(("run", message.number))
            for item in range(message.items):
                yield Item(number=message.number, item=item)
            await self.act(message, "run", message.run)

        return iterate


class Server:
    """Gives the messages of a scene, then nothing until the peer goes."""

    def __init__(self, scene: Scene) -> None:
        self.waiting = [{"type": "websocket.connect"}]
        self.waiting += [{"type": "websocket.receive", "text": json.dumps(message)} for message in scene.messages]
        self.slow = scene.slow
        self.gone = asyncio.Event()
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        if self.slow:
            await asyncio.sleep(0)
        if self.waiting:
            return self.waiting.pop(0)
        await self.gone.wait()
        return {"type": "websocket.disconnect", "code": 4000, "reason": ""}

    async def send(self, message: Any) -> None:
        if self.slow:
            await asyncio.sleep(0)
        self.sent.append(message)


def replies_of(server: Server) -> list[dict[str, Any]]:
    found = [json.loads(message["text"]) for message in server.sent if message["type"] == "websocket.send"]
    return [{key: reply[key] for key in ("ref", "code", "number", "item") if key in reply} for reply in found]


async def live(room: Room, replies: int, events: int) -> Server:
    """Serve a scene to its end. Nothing may be left running."""
    server = Server(room.scene)
    task = asyncio.create_task(room.app(websocket_scope(), server.receive, server.send))
    stops = False
    if room.scene.ends is None:
        for _ in range(5000):
            if len(replies_of(server)) == replies and len(room.log) == events and not server.waiting:
                break
            await asyncio.sleep(0)
        for _ in range(10):  # the last generator may wait while it is left
            await asyncio.sleep(0)
    else:
        turns, stops = room.scene.ends
        for _ in range(turns):
            await asyncio.sleep(0)
    task.cancel() if stops else server.gone.set()
    await asyncio.wait([task], timeout=5)
    assert task.done() and (task.cancelled() or task.exception() is None)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return server


def ordered(found: Any) -> list[Any]:
    return sorted(found, key=lambda reply: json.dumps(reply, sort_keys=True))


# What a generator raises while a stop takes it down does not call the stop off.
STOPPED = {"number": 0, "type": "a", "enter": 1, "run": 2, "leave": 1, "fails": "leave", "how": "bug"}


# The end cuts the second reply off; the generator's error must not be told in its place.
CUT_OFF = [
    {"type": "a", "number": "no number"},
    {"type": "a", "items": 0, "ref": 0, "more": 1, "enter": 2, "run": 1, "leave": 0, "how": "bug", "number": 1},
    {"type": "a", "ref": 0, "more": 1, "enter": 3, "leave": 0, "fails": "leave", "how": "message", "number": 2},
    {"type": "a", "number": "no number"},
]
# Over ASGI the end may have been read ahead when the next handler begins.
FULL = [
    {"type": "a", "number": 0},
    {"type": "a", "items": 0, "ref": 0, "more": 1, "run": 3, "leave": 3, "fails": "run", "number": 1},
    {"type": "a", "number": "no number"},
    {"type": "a", "number": "no number"},
    {"type": "a", "number": 4},
]


@example(Scene([[["a"]]], [False], False, False, 1, CUT_OFF, False, (2, False)))
@example(Scene([[["a"]], [["b"]]], [False, False], False, True, 1, FULL, True, (2, False)))
@example(Scene([[["a"]]], [True], False, False, 1, [STOPPED], True, (6, True)))
@example(Scene([[["a"]]], [False], False, False, 1, [{**STOPPED, "how": "message"}], False, (4, True)))
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(scenes())
def test_a_room_does_what_its_messages_say(scene: Scene) -> None:
    room = Room(scene)
    whole = [expected(scene, message) for message in scene.messages]
    replies = [reply for told, _ in whole for reply in told]
    events = [event for _, happened in whole for event in happened]
    logger = logging.getLogger("wirefast.messages")
    logger.disabled = True
    try:
        server = asyncio.run(live(room, len(replies), len(events)))
    finally:
        logger.disabled = False
    told = replies_of(server)
    # Whatever ends it: what was entered was left, once, and so many ran at most.
    entered, left = (Counter(number for what, number in room.log if what == part) for part in ("enter", "leave"))
    assert entered == left and room.running == 0
    assert room.most <= (scene.in_flight if scene.concurrent else 1)
    if scene.ends is None:
        assert room.ends == [4000]
        assert (ordered(told) == ordered(replies)) if scene.concurrent else told == replies
        assert Counter(room.log) == Counter(events) if scene.concurrent else room.log == events
        return
    # on_disconnect ran once, and last, where on_connect had begun.
    begun = any(message["type"] == "websocket.accept" for message in server.sent)
    code = 1001 if scene.ends[1] else 4000
    assert room.ends == [code] or (not begun and not room.ends)
    if scene.concurrent:
        assert not Counter(map(json.dumps, told)) - Counter(map(json.dumps, replies))
        assert not Counter(room.log) - Counter(events)
        return
    assert told == replies[: len(told)]
    # One message after the other: all but the last to its end, the last as far as it came.
    numbers = list(dict.fromkeys(number for _, number in room.log))
    assert numbers == list(dict.fromkeys(number for _, number in events))[: len(numbers)]
    cut = room.log[-1:] and [event for event in room.log if event[1] == numbers[-1]]
    assert room.log == [event for event in events if event[1] in numbers[:-1]] + (cut or [])
    assert not cut or [what for what, _ in cut] in (["enter", "leave"], ["enter", "run", "leave"])


@pytest.mark.asyncio
async def test_a_failed_concurrent_handler_ends_the_socket_by_itself() -> None:
    """Over ASGI the session waits for a message meanwhile: it does not wait for the server's disconnect too."""
    app = App()
    room = app.messages("/", on_error="close")
    ends: list[int] = []

    @room.on("a", concurrent=True)
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    @room.on_disconnect
    async def left(end: Disconnect) -> None:
        ends.append(end.code)

    server = Server(Scene([], [], False, True, 1, [{"type": "a"}], False, None))
    await asyncio.wait_for(app(websocket_scope(), server.receive, server.send), 5)
    assert ends == [1011]
    assert server.sent[-1] == {"type": "websocket.close", "code": 1011, "reason": ""}
