"""A client of an application's sockets, over each way that messages can come: every test runs over all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from wirefast import App
from wirefast.testclient import TestClient
from wirefast.testing import Live, NotExpected, Peer
from wirefast.websockets import WebSocketDisconnect

sys.path.append(str(Path(__file__).parents[1] / "wire"))


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Talk:
    """One socket, whatever is between it and the application."""

    def send(self, message: Any) -> Talk:
        self.send_frame(message if isinstance(message, (str, bytes)) else json.dumps(message))
        return self

    def ask(self, message: Any) -> Any:
        return self.send(message).receive()

    def receive(self) -> Any:
        frame = self.receive_frame()
        return json.loads(frame) if isinstance(frame, str) else frame

    def ends(self) -> tuple[int, str]:
        with pytest.raises(Closed) as caught:
            self.receive()
        return caught.value.code, caught.value.reason

    def send_frame(self, frame: str | bytes) -> None:
        raise NotImplementedError

    def receive_frame(self) -> str | bytes:
        raise NotImplementedError

    def close(self, code: int = 1000, reason: str = "") -> None:
        raise NotImplementedError


class TestClientTalk(Talk):
    def __init__(self, session: Any) -> None:
        self.session = session

    def send_frame(self, frame: str | bytes) -> None:
        self.session.send_text(frame) if isinstance(frame, str) else self.session.send_bytes(frame)

    def receive_frame(self) -> str | bytes:
        message = self.session.receive()
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message.get("reason") or "")
        frame: str | bytes = message["text"] if message.get("text") is not None else message["bytes"]
        return frame

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.session.close(code, reason)


class WireTalk(Talk):
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def send_frame(self, frame: str | bytes) -> None:
        self.connection.send(frame)

    def receive_frame(self) -> str | bytes:
        try:
            frame: str | bytes = self.connection.recv(timeout=20)
            return frame
        except ConnectionClosed as exc:
            assert exc.rcvd is not None
            raise Closed(exc.rcvd.code, exc.rcvd.reason) from None

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.connection.close(code, reason)


class LiveTalk(Talk):
    """Over our protocol; the server's loop runs while the test waits."""

    def __init__(self, served: Live, path: str) -> None:
        self.served = served
        self.peer: Peer = served.run(served.connect(path).opened())

    def send_frame(self, frame: str | bytes) -> None:
        self.served.run(self.peer.send(frame))

    def receive_frame(self) -> str | bytes:
        try:
            return self.served.run(self.peer.receive(within=20))
        except NotExpected:
            if self.peer.closed is None:
                raise
            raise Closed(*self.peer.closed) from None

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.served.run(self.peer.close(code, reason))


@pytest.fixture(params=["test client", "direct", "uvicorn"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def talk(way: str) -> Iterator[Callable[..., Talk]]:
    """``talk(app, path)``: an open socket; everything ends with the test."""
    from serving import serving

    with ExitStack() as stack:
        served: dict[int, Any] = {}

        def open_socket(app: App, path: str) -> Talk:
            if way == "test client":
                return TestClientTalk(stack.enter_context(TestClient(app).websocket_connect(path)))
            if way == "direct":
                if id(app) not in served:
                    served[id(app)] = Live(app, leaks=False, raises=False)
                    stack.callback(served[id(app)].finish)
                return LiveTalk(served[id(app)], path)
            if id(app) not in served:
                served[id(app)] = stack.enter_context(serving(app, ws="websockets-sansio", http="h11"))
            return WireTalk(stack.enter_context(connect(served[id(app)].url + path, proxy=None)))

        yield open_socket


@pytest.fixture
def refusal() -> type[Exception]:
    """What TestClient raises for a socket that is not accepted."""
    return WebSocketDisconnect
