"""``warn_long_lived``: the log names what a socket holds as long as it is open, once."""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from asgi import connect
from wirefast import APIRouter, App, Depends, WebSocket


class Say(BaseModel):
    type: Literal["say"]


async def open_session() -> AsyncIterator[int]:
    yield 1


def pool() -> Iterator[int]:
    yield 1


async def nested(value: Annotated[int, Depends(pool)]) -> int:
    return value


async def plain() -> int:
    return 1


class Held:
    async def __call__(self) -> AsyncIterator[int]:
        yield 1


async def endpoint(
    websocket: WebSocket,
    a: Annotated[int, Depends(open_session)],
    b: Annotated[int, Depends(nested)],
    c: Annotated[int, Depends(plain)],
) -> None:
    await websocket.accept()


def named(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The names of the dependencies that were named, each with its place."""
    texts = [record.getMessage() for record in caplog.records if record.name == "wirefast.dependencies"]
    assert all("test_long_lived.py:" in text and 'scope="message"' in text for text in texts)
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    return [text.split(" ")[0] for text in texts]


def test_each_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    app = App(warn_long_lived=True)
    app.websocket("/a")(endpoint)
    app.websocket("/b")(endpoint)
    assert named(caplog) == []  # not before a socket comes
    for path in ("/a", "/b", "/a"):
        connect(app, path)
    assert named(caplog) == ["open_session", "pool"]


def test_nothing_is_unless_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.websocket("/")(endpoint)
    connect(app, "/")
    assert named(caplog) == []


def test_a_route_may_ask_or_decline(caplog: pytest.LogCaptureFixture) -> None:
    app, quiet = App(), App(warn_long_lived=True)
    app.websocket("/", warn_long_lived=True)(endpoint)
    quiet.websocket("/", warn_long_lived=False)(endpoint)
    connect(quiet, "/")
    assert named(caplog) == []
    connect(app, "/")
    assert named(caplog) == ["open_session", "pool"]


def test_handlers_of_messages(caplog: pytest.LogCaptureFixture) -> None:
    app = App(warn_long_lived=True)
    router = APIRouter()
    room = router.messages("/")

    @room.on
    async def say(
        message: Say,
        a: Annotated[int, Depends(open_session, scope="message")],
        b: Annotated[int, Depends(nested)],
    ) -> None: ...

    app.include_router(router, prefix="/in")
    connect(app, "/in/", '{"type": "say"}')
    assert named(caplog) == ["pool"]


def test_message_scope_of_a_plain_endpoint(caplog: pytest.LogCaptureFixture) -> None:
    app = App(warn_long_lived=True)

    @app.websocket("/")
    async def loop(websocket: WebSocket, a: Annotated[int, Depends(open_session, scope="message")]) -> None:
        await websocket.accept()

    connect(app, "/")
    assert named(caplog) == []


def test_what_replaces_counts(caplog: pytest.LogCaptureFixture) -> None:
    app = App(warn_long_lived=True)
    app.websocket("/")(endpoint)

    async def fake(value: Annotated[int, Depends(Held())]) -> int:
        return value

    app.dependency_overrides[open_session] = fake
    app.dependency_overrides[pool] = plain
    connect(app, "/")
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 1 and "Held" in texts[0]


@pytest.mark.parametrize("value", [1, "yes"])
def test_it_is_true_or_false(value: Any) -> None:
    with pytest.raises(TypeError, match="warn_long_lived takes True, False or None, not "):
        App().websocket("/", warn_long_lived=value)(endpoint)
