"""What the tests of rooms share: sockets of each kind, whose WebSocket the test holds."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import starlette.websockets

import wirefast
from sockets import KINDS
from ways import MEMORY, REAL, live_by
from wirefast.testing import Live, Peer

live = live_by(MEMORY, REAL)
State = starlette.websockets.WebSocketState
CLASSES = dict(zip(KINDS, [wirefast.WebSocket, wirefast.WebSocket, starlette.websockets.WebSocket], strict=True))


class Crowd:
    """An application that leaves its WebSockets to the test, of the ``kind`` or class that the test says."""

    kind: Any
    opened: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return

        async def plain_receive() -> Any:
            return await receive()

        async def plain_send(message: Any) -> None:
            await send(message)

        ways = (receive, send) if self.kind == "ours" else (plain_receive, plain_send)
        self.opened = websocket = CLASSES.get(self.kind, self.kind)(scope, *ways)
        await websocket.accept()
        while websocket.client_state is State.CONNECTED:
            await websocket.receive()


class Members:
    """Opens sockets: ``await member()``, a peer, and as its ``websocket`` what the handler has."""

    def __init__(self, live: Live, kind: str) -> None:
        self.live = live
        self.kind = kind

    async def __call__(self, kind: Any = None) -> Peer:
        crowd = self.live.app
        crowd.kind = kind or self.kind
        peer: Any = await self.live.connect("/", keep=True)
        peer.websocket, crowd.opened = crowd.opened, None
        return peer


@pytest.fixture
def app() -> Any:
    return Crowd()


@pytest.fixture(autouse=True)
def _no_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "uvicorn.error")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def member(live: Live, kind: str) -> Members:
    """Of each kind in turn."""
    return Members(live, kind)


@pytest.fixture
def member_of(live: Live) -> Members:
    """Of a kind that the test chooses."""
    return Members(live, "ours")
