"""The server's side of an ASGI connection without a network: the least that a server does for each call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

App = Callable[..., Awaitable[None]]
Message = dict[str, Any]

CONNECT: Message = {"type": "websocket.connect"}
DISCONNECT: Message = {"type": "websocket.disconnect", "code": 1001, "reason": ""}

# What a browser sends with every upgrade.
BROWSER_HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"origin", b"http://127.0.0.1:8000"),
    (b"sec-websocket-version", b"13"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-language", b"en-GB,en;q=0.9"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-extensions", b"permessage-deflate"),
]


def scope_of(path: str, query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    """The scope of an upgrade as uvicorn makes it."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": BROWSER_HEADERS + (headers or []),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


class Opening:
    """Connections of one kind, one after the other: connect, then the client leaves.

    Args:
        loop: where the application runs.
        app: the ASGI application.
        scope: copied for every connection.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, app: App, scope: dict[str, Any]) -> None:
        self.loop = loop
        self.app = app
        self.scope = scope
        self.sent: list[Message] = []
        self.last_scope: dict[str, Any] = {}

    async def _connections(self, count: int) -> None:
        app, original = self.app, self.scope
        inbox: list[Message] = []
        sent = self.sent = []

        async def receive() -> Message:
            return inbox.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        for _ in range(count):
            inbox[:] = (DISCONNECT, CONNECT)
            scope = dict(original)
            await app(scope, receive, send)
        self.last_scope = scope

    def run(self, count: int) -> None:
        """Open and close ``count`` connections; ``sent`` is then what the application sent in them."""
        self.loop.run_until_complete(self._connections(count))

    def answer(self) -> list[Message]:
        """What the application sends in one connection."""
        self.run(1)
        return self.sent


class Exchange:
    """One accepted connection that gets the same message again and again.

    Args:
        loop: where the application runs.
        app: the ASGI application; it must answer each message with one.
        scope: of the connection.
        message: the ASGI message that the application receives.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, app: App, scope: dict[str, Any], message: Message) -> None:
        left, current, last = 1, CONNECT, CONNECT
        wake: asyncio.Future[None] = loop.create_future()
        idle: asyncio.Future[None] = loop.create_future()

        async def receive() -> Message:
            nonlocal left
            left -= 1
            if left < 0:
                await more()
            return current

        async def more() -> None:
            nonlocal left, wake
            wake = loop.create_future()
            idle.set_result(None)
            await wake
            left -= 1

        async def send(message: Message) -> None:
            nonlocal last
            last = message

        def feed(what: Message, count: int) -> Message:
            nonlocal left, idle, current, last
            left, current, last, idle = count, what, what, loop.create_future()
            wake.set_result(None)
            loop.run_until_complete(idle)
            return last

        self._feed = feed
        self._message = message
        self._loop = loop
        self._task = loop.create_task(app(dict(scope), receive, send))
        loop.run_until_complete(idle)
        if last.get("type") != "websocket.accept":
            raise AssertionError(f"not accepted: {last}")

        def leave() -> None:
            nonlocal left, current
            left, current = 1, DISCONNECT
            wake.set_result(None)
            loop.run_until_complete(self._task)

        self.close = leave

    def run(self, count: int) -> Message:
        """Let the application receive ``count`` messages; the last that it sent."""
        return self._feed(self._message, count)
