"""The options of one WebSocket route: what they may be, and how they come to the server."""

from __future__ import annotations

import copy
import inspect
from dataclasses import fields
from typing import Any

import pytest

from asgi import connect
from wirefast import APIRouter, App, WebSocket
from wirefast.routes.websocket_options import WebSocketOptions
from wirefast.routing import APIWebSocketRoute

ASKED = {"per_message_deflate": False, "max_size": 65536, "send_timeout": 10.0}


class Server:
    """The extension of a server, which notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def configure(self, **options: Any) -> None:
        self.asked.append(options)


async def endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("served")


async def handler(message: Any) -> None: ...


async def stream(websocket: WebSocket) -> Any:
    yield "served"


def declare(owner: Any, **options: Any) -> None:
    owner.websocket("/decorated", **options)(endpoint)
    owner.add_api_websocket_route("/added", endpoint, **options)
    owner.messages("/messages", **options)
    owner.websocket_listener("/listener", **options)(handler)
    owner.websocket_stream("/stream", **options)(stream)


NAMES = ["decorated", "added", "messages", "listener", "stream"]


@pytest.mark.parametrize("asked", [ASKED, {"max_size": 1}, {}], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_what_the_server_is_asked_for(name: str, asked: dict[str, Any]) -> None:
    app, router, inner = App(), APIRouter(prefix="/in"), APIRouter(prefix="/er")
    for owner in (app, router, inner):
        declare(owner, **asked)
    router.include_router(inner)
    app.include_router(router)
    app = copy.deepcopy(app)
    for prefix in ("", "/in", "/in/er"):
        server = Server()
        connect(app, f"{prefix}/{name}", extensions={"wirefast": server})
        assert server.asked == ([asked] if asked else []), prefix
    # Other servers have no such extension, and some no extensions at all.
    for extensions in ({}, None):
        assert connect(app, "/decorated", extensions=extensions).texts == ["served"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"per_message_deflate": "no"}, TypeError, "per_message_deflate takes True, False or None, not 'no'"),
        ({"max_size": 1.5}, TypeError, "max_size takes a number of bytes, not 1.5"),
        ({"max_size": True}, TypeError, "max_size takes a number of bytes, not True"),
        ({"max_size": 0}, ValueError, "max_size must be at least 1 byte, not 0"),
        ({"send_timeout": "1"}, TypeError, "send_timeout takes a number of seconds, not '1'"),
        ({"send_timeout": 0}, ValueError, "send_timeout must be a positive number of seconds, not 0"),
        ({"send_timeout": float("nan")}, ValueError, "send_timeout must be a positive number of seconds, not nan"),
        ({"send_timeout": float("inf")}, ValueError, "send_timeout must be a positive number of seconds, not inf"),
    ],
)
def test_options_that_cannot_be(options: Any, error: type[Exception], text: str) -> None:
    for declaring in (
        lambda: App().websocket("/", **options)(endpoint),
        lambda: APIRouter().add_api_websocket_route("/", endpoint, **options),
        lambda: APIWebSocketRoute("/", endpoint, **options),
        lambda: App().websocket_listener("/", **options)(handler),
        lambda: WebSocketOptions(**options),
    ):
        with pytest.raises(error) as raised:
            declaring()
        assert str(raised.value) == text


def test_another_option_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match=r"App.websocket\(\) got an unexpected keyword argument 'max_sise'"):
        App().websocket("/", max_sise=1)  # type: ignore[call-arg]


def test_the_options_are_spelled_out() -> None:
    for method in (App.websocket, APIRouter.websocket, App.add_api_websocket_route, APIWebSocketRoute):
        named = [field.name for field in fields(WebSocketOptions)]
        assert list(inspect.signature(method).parameters)[-len(named) :] == named
        assert named[:4] == [*ASKED, "origins"]
