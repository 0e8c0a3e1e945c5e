"""WebSocket connections at the level of ASGI: a scope, a script of what the client does, a record of what it got."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

Message = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


def websocket_scope(target: str = "/", headers: Iterable[tuple[str, str]] = (), **more: Any) -> dict[str, Any]:
    """The scope of a handshake for a path and query; ``more`` are further keys."""
    path, _, query = target.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("testserver", 80),
        "client": ("testclient", 50000),
        "root_path": "",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query.encode("latin-1"),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        "state": {},
        **more,
    }


def as_event(message: str | bytes | Message) -> Message:
    if isinstance(message, dict):
        return message
    return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}


class Client:
    """The client's side: ``receive`` and ``send`` for an application.

    Args:
        messages: what the client sends after its connect and before its disconnect: str, bytes or ASGI messages.
        waits: whether each receive and send suspends once, as under a real server.
    """

    def __init__(self, *messages: str | bytes | Message, waits: bool = False) -> None:
        end = {"type": "websocket.disconnect", "code": 1000, "reason": ""}
        self.events = deque([{"type": "websocket.connect"}, *map(as_event, messages), end])
        self.sent: list[Message] = []
        self.waits = waits

    async def receive(self) -> Message:
        if self.waits:
            await asyncio.sleep(0)
        if not self.events:
            raise AssertionError("received past the disconnect")
        return self.events.popleft()

    async def send(self, message: Message) -> None:
        if self.waits:
            await asyncio.sleep(0)
        self.sent.append(message)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if "text" in message]

    async def connect(self, app: App, target: str = "/", **scope: Any) -> Client:
        """Be served by ``app`` from the handshake to the end."""
        await app(websocket_scope(target, **scope), self.receive, self.send)
        return self


def connect(app: App, target: str = "/", *messages: str | bytes | Message, **scope: Any) -> Client:
    """One connection in an event loop of its own."""
    return asyncio.run(Client(*messages).connect(app, target, **scope))


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The value of a coroutine that never waits."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AssertionError(f"the coroutine waits for {waits_for!r}")


def finish_anyway(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The value of a coroutine that waits for nothing but the next turn of the loop."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
