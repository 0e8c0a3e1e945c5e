"""A peer that sends as fast as it can and reads nothing, so that neither side reads any more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest
from apps import echo, recorded
from peer import BINARY, PING, frame

from memory import Memory
from slower import SLOWER

MIB = 1048576


def flood(peer: Any) -> threading.Thread:
    """Send until the connection is gone."""

    def run() -> None:
        data = frame(BINARY, b"x" * 16384) * 16
        with contextlib.suppress(OSError):
            while True:
                peer.sock.sendall(data)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


async def greedy(scope: Any, receive: Any, send: Any) -> None:
    """Answers every message by many."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        for _ in range(10):
            await send({"type": "websocket.send", "bytes": b"x" * 16384})


@pytest.mark.parametrize("app", [echo, greedy])
def test_FR20_a_flood_of_a_peer_that_never_reads_ends(serve: Any, loop_name: str, app: Any) -> None:
    """In the interval, the timeout and the time for the close."""
    server = serve(app, loop=loop_name, ws_ping_interval=0.3, ws_ping_timeout=0.3)
    peer = server.opened(rcvbuf=16384)
    thread = flood(peer)
    deadline = time.monotonic() + 20 * SLOWER
    while server.call(lambda: len(server.server.server_state.connections)):
        assert time.monotonic() < deadline, "it outlives the keepalive"
        time.sleep(0.02)
    thread.join(20)
    assert not thread.is_alive() and not server.server.server_state.tasks
    assert server.errors == []


class Stuck:
    """A connection in memory that reads and writes no more, whose buffer the test sets."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.memory = Memory(app, ws_max_queue=1, **settings)
        self.unsent = 100_000

    async def begin(self) -> None:
        self.peer = self.memory.open()
        while self.peer.status is None:
            await asyncio.sleep(0)
        self.peer.transport.get_write_buffer_size = lambda: self.unsent  # type: ignore[method-assign]
        self.peer.transport.protocol.pause_writing()
        self.peer.receive(frame(BINARY, bytes(50_000)) * 30)

    async def end(self) -> None:
        self.peer.lose()
        await self.memory.ended()


def test_one_that_takes_something_lives_and_one_that_stops_does_not() -> None:
    async def main() -> None:
        stuck = Stuck(echo, ws_ping_interval=0.02, ws_ping_timeout=0.2)
        await stuck.begin()
        for _ in range(40):
            await asyncio.sleep(0.02)
            stuck.unsent -= 1000
            assert stuck.peer.close_code is None
        began = time.monotonic()
        while not stuck.peer.transport.closing:
            assert time.monotonic() - began < 20 * SLOWER
            await asyncio.sleep(0.01)
        assert time.monotonic() - began > 0.15
        assert stuck.peer.close_code == 1011
        await stuck.end()

    asyncio.run(main())


def test_a_buffer_that_fills_again_is_taken_too() -> None:
    """A peer that took all of it is alive, however much waits when that is looked at."""

    async def main() -> None:
        stuck = Stuck(echo, ws_ping_interval=0.02, ws_ping_timeout=0.2)
        await stuck.begin()
        protocol = stuck.peer.transport.protocol
        for _ in range(40):
            await asyncio.sleep(0.02)
            protocol.resume_writing()
            protocol.pause_writing()
            stuck.unsent += 1000
            assert stuck.peer.close_code is None
        await stuck.end()

    asyncio.run(main())


def test_a_busy_handler_is_not_the_peers_fault() -> None:
    """Reading pauses, nothing is unsent: pings go out, for the kernel to hear of, and no answer is expected."""

    async def main() -> None:
        busy = asyncio.Event()
        app = recorded(lambda receive, send: busy.wait())
        memory = Memory(app, ws_ping_interval=0.02, ws_ping_timeout=0.02, ws_max_queue=1)
        peer = memory.open()
        while peer.status is None:
            await asyncio.sleep(0)
        peer.receive(frame(BINARY, bytes(MIB)) * 3)
        deadline = time.monotonic() + 20 * SLOWER
        while len([opcode for opcode, _ in peer.frames if opcode == PING]) < 5:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert peer.close_code is None
        busy.set()
        peer.lose()
        await memory.ended()

    asyncio.run(main())
