"""HTTP conversations without a network: bytes in pieces, what the application saw and what was answered, in no time.

The clock makes time limits cheap to test: when nothing else is left to do, the loop goes to its next timer at once.
"""

from __future__ import annotations

import asyncio
import re
import selectors
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uvicorn
from uvicorn.server import ServerState

from wirefast.server import HttpProtocol, WebSocketProtocol


class Seen(NamedTuple):
    """A request as the application got it."""

    method: str
    path: str
    body: bytes = b""


class _JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: time passes by as much as it was asked to wait."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            self.now += timeout
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """asyncio's loop on a clock of its own."""

    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


class Wire(asyncio.Transport):
    """Keeps what is written, and whether reading is paused."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 80)})
        self.loop = loop
        self.protocol: Any = None
        self.written = bytearray()
        self.closing = self.paused = False

    def write(self, data: Any) -> None:
        if not self.closing:
            self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.lose(None)

    abort = close

    def lose(self, exc: Exception | None) -> None:
        if not self.closing:
            self.closing = True
            self.loop.call_soon(self.lost, exc)

    def lost(self, exc: Exception | None) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connection_lost(exc)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


@dataclass
class Talk:
    """A server without a network. ``app`` keeps the requests in ``seen`` and answers each with its path.

    ``/hold`` is answered in two parts, the second after ``release``.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    http: type[Any] = HttpProtocol

    def __post_init__(self) -> None:
        self.loop = JumpingLoop()
        settings = {"lifespan": "off", "log_config": None, "log_level": "critical", "interface": "asgi3"}
        self.config = uvicorn.Config(self.app, ws=WebSocketProtocol, **settings | self.settings)
        self.config.load()
        self.config.loaded_app = self.app  # uvicorn's own wrapper adds nothing here
        self.clear()

    def clear(self) -> None:
        self.state = ServerState()
        self.seen: list[Seen] = []
        self.scopes: list[dict[str, Any]] = []
        self.sockets = 0
        self.release = asyncio.Event()
        self.left = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self.socket(receive, send)
            return
        self.scopes.append(scope)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append(Seen(scope["method"], scope["path"], body))
        content = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/hold":
            await send({"type": "http.response.body", "body": content[:1], "more_body": True})
            leaving = asyncio.ensure_future(receive())
            waiting = asyncio.ensure_future(self.release.wait())
            await asyncio.wait((leaving, waiting), return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            waiting.cancel()
            if not self.release.is_set():
                self.left += 1
                return
            content = content[1:]
        await send({"type": "http.response.body", "body": content})

    async def socket(self, receive: Any, send: Any) -> None:
        self.sockets += 1
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    def connect(self) -> Wire:
        wire = Wire(self.loop)
        protocol = self.http(self.config, self.state, {}, self.loop)
        wire.set_protocol(protocol)
        protocol.connection_made(wire)
        return wire

    def give(self, wire: Wire, data: bytes) -> None:
        """A segment from the client, and what the server does with it at once."""
        if wire.protocol is not None and not wire.closing:
            wire.protocol.data_received(data)
        self.turn()

    def turn(self, times: int = 12) -> None:
        for _ in range(times):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def passes(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Let time pass; whether ``until`` became true in it."""

        async def wait() -> bool:
            end = self.loop.time() + seconds
            while not until():
                if self.loop.time() >= end:
                    return False
                await asyncio.sleep(0.25)
            return True

        return self.loop.run_until_complete(wait())

    def end(self, wire: Wire) -> None:
        """The client is gone; nothing may be left of the connection."""
        wire.lose(ConnectionResetError())
        self.turn()
        assert not self.state.connections, "the connection stays"
        assert not self.state.tasks, "a task stays"

    def run(self, pieces: Iterable[bytes]) -> tuple[list[Seen], list[int], bool]:
        """One connection: the requests, the statuses of the answers, and whether the server closed it."""
        self.clear()
        wire = self.connect()
        for piece in pieces:
            self.give(wire, piece)
        found = (self.seen.copy(), statuses(wire.written), wire.closing)
        self.end(wire)
        return found

    def close(self) -> None:
        self.loop.close()


def statuses(written: bytes | bytearray) -> list[int]:
    """The statuses of the responses one behind the other; an assertion fails when they are not that."""
    found = []
    data = bytes(written)
    while data:
        head, mark, data = data.partition(b"\r\n\r\n")
        first = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        assert mark and first, f"no response: {head[:200]!r}"
        found.append(int(first[1]))
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        if found[-1] == 101:
            break
        if found[-1] >= 200:
            assert length is not None, f"a response without a length: {head!r}"
            data = data[int(length[1]) :]
    return found


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """The bytes whole, in two pieces at every place, and one by one."""
    yield [data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[at : at + 1] for at in range(len(data))]
