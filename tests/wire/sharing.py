"""Processes that share limits, as far as Redis can tell: hubs of one loop, each with its application and sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

from broker_servers import until
from typing_extensions import ParamSpec

from wirefast import App, Limits, WebSocket, WebSocketDisconnect
from wirefast.limits.processes import SharedCounts
from wirefast.rooms import Hub

ADDRESS = "1.2.3.4"
Arguments = ParamSpec("Arguments")


def in_loop(test: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """A test that is a coroutine function, in an event loop of its own."""

    @wraps(test)
    def run(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class Socket:
    """One connection, as an ASGI server has it.

    Attributes:
        said: the types of what the application has sent, with the code or the status.
    """

    def __init__(self, side: Side, user: str, address: str = ADDRESS) -> None:
        self.user = user
        self.said: list[tuple[str, Any]] = []
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._queue.put_nowait({"type": "websocket.connect"})
        scope: Any = {
            "type": "websocket",
            "path": "/",
            "headers": [],
            "query_string": f"user={user}".encode(),
            "client": (address, 5),
            "extensions": {"websocket.http.response": {}},
        }
        self.task = asyncio.ensure_future(side.app(scope, self._queue.get, self._send))

    async def _send(self, message: Any) -> None:
        self.said.append((message["type"].rpartition("websocket.")[2], message.get("code", message.get("status"))))

    async def answered(self) -> int:
        """101, or the status of the refusal."""
        await until(lambda: self.said or self.task.done())
        if self.said[0][0] == "accept":
            return 101
        await self.task
        return int(self.said[0][1])

    @property
    def closes(self) -> list[int]:
        """The codes of the closes that the application has sent."""
        return [code for kind, code in self.said if kind == "close"]

    async def leave(self) -> None:
        self._queue.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task


class Side:
    """One process: its hub, its limits, its application."""

    def __init__(self, url: str | None, **limits: Any) -> None:
        self.hub = Hub(url)
        self.limits = Limits(store=self.hub, **limits)
        self.app = App(hub=self.hub, limits=self.limits)
        (self.counts,) = [part for part in self.hub._parts if isinstance(part, SharedCounts)]

        @self.app.websocket("/")
        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            try:
                await websocket.receive_text()
            except WebSocketDisconnect:
                pass

    def open(self, user: str = "ada", address: str = ADDRESS) -> Socket:
        return Socket(self, user, address)

    async def connect(self, user: str = "ada", address: str = ADDRESS) -> Socket | None:
        """The socket, None where it was refused."""
        socket = self.open(user, address)
        status = await socket.answered()
        assert status in (101, 429)
        return socket if status == 101 else None

    def held(self, user: str = "ada") -> int:
        """Sockets of a user as this process counts them."""
        return len(self.limits.ledger.by_user.get(user, ()))

    async def back(self) -> None:
        await until(lambda: self.counts.up)


def by_query(websocket: Any) -> str | None:
    found: str | None = websocket.query_params.get("user")
    return found


async def by_dependency(websocket: WebSocket) -> str | None:
    await asyncio.sleep(0)
    return by_query(websocket)


@asynccontextmanager
async def sides(count: int, url: str | None, **limits: Any) -> AsyncIterator[list[Side]]:
    """So many processes with the same limits."""
    made = [Side(url, **limits) for _ in range(count)]
    started = []
    try:
        for side in made:
            await side.hub.start()
            started.append(side)
        yield made
    finally:
        for side in started:
            await side.hub.stop()


async def members(side: Side) -> dict[str, int]:
    """How many sockets of live processes Redis has, by the key of their user."""
    commands = side.counts._commands
    assert commands is not None
    found = {}
    for key in await commands.call("KEYS", side.counts.key(side.limits.name or "limits", "user", "*")):
        alive = [
            await commands.call("EXISTS", side.counts.key("alive", member.decode().partition(":")[0]))
            for member in await commands.call("ZRANGE", key, 0, -1)
        ]
        found[key.decode()] = sum(alive)
    return found
