"""Mutation, and a protocol without a network."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

sys.path.insert(0, str(Path(__file__).parents[1]))

from wirefast.server import WebSocketProtocol  # noqa: E402


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing, "a write after close"
        self.written += data

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default


class Session:
    """One connection to an application that receives everything: what it got, and what was written."""

    def __init__(self, **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        settings = {"lifespan": "off", "log_config": None, "log_level": "critical", "interface": "asgi3"} | settings
        self.config = uvicorn.Config(self.app, ws=WebSocketProtocol, **settings)
        self.config.load()
        self.state = ServerState()
        self.events: list[dict[str, Any]] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        # The extension "wirefast" is the connection itself, another one each time.
        extensions = {name: value for name, value in scope["extensions"].items() if name != "wirefast"}
        self.events.append({**scope, "extensions": extensions})
        await receive()
        await send({"type": "websocket.accept"})
        while self.events[-1].get("type") != "websocket.disconnect":
            self.events.append(await receive())

    def turn(self, times: int = 4) -> None:
        for _ in range(times):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def run(self, chunks: list[bytes]) -> tuple[list[dict[str, Any]], bytes, bool]:
        """The events, what was written, and whether the transport was closed after these bytes."""
        self.events = []
        protocol, transport = self.connect()
        for chunk in chunks:
            if not transport.closing:
                protocol.data_received(chunk)
                self.turn()
        found = (self.events.copy(), bytes(transport.written), transport.closing)
        self.disconnect(protocol, transport)
        return found

    def connect(self) -> tuple[WebSocketProtocol, Transport]:
        transport = Transport()
        protocol = WebSocketProtocol(self.config, self.state, {}, self.loop)
        protocol.connection_made(transport)  # type: ignore[arg-type]
        return protocol, transport

    def disconnect(self, protocol: WebSocketProtocol, transport: Transport) -> None:
        """Lose the connection; nothing may be left of it."""
        transport.closing = True
        protocol.connection_lost(None)
        self.turn()
        assert not self.state.tasks and not self.state.connections, "something is left"


def mutate(rng: random.Random, data: bytes, words: list[bytes]) -> bytes:
    """One to six small changes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(changed) + 1)
        size = rng.choice((1, 1, 2, 4, 16, 200))
        kind = rng.randrange(7)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 2:
            del changed[at : at + size]
        elif kind == 3:
            changed[at:at] = changed[at : at + size] * rng.choice((1, 2, 500))
        elif kind == 4:
            changed[at:at] = rng.choice(words)
        elif kind == 5:
            changed[at : at + size] = rng.choice(words)
        else:
            changed[at:at] = rng.randbytes(size)
    return bytes(changed[:80_000])


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    """The same bytes in up to five pieces."""
    marks = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(5)))
    return [data[start:end] for start, end in zip([0, *marks], [*marks, len(data)], strict=True) if start < end]


def main(one: Callable[[random.Random], bytes], check: Callable[[random.Random, bytes], str]) -> None:
    """Make inputs with ``one`` and give them to ``check``, which names what it saw, until the time is up."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    rng = random.Random(seed)
    seen: dict[str, int] = {}
    slowest = 0.0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        data = one(rng)
        began = time.process_time()
        try:
            outcome = check(rng, data)
        except BaseException:
            # The seed comes last: tools/fuzz.py shows only the end of a long report.
            print(f"{data!r}\nis input {sum(seen.values())} of seed {seed}")
            raise
        slowest = max(slowest, time.process_time() - began)
        seen[outcome] = seen.get(outcome, 0) + 1
    print(f"seed {seed}: {sum(seen.values())} inputs, the slowest {slowest * 1000:.1f} ms of CPU")
    for outcome, count in sorted(seen.items()):
        print(f"{count:8} {outcome}")
