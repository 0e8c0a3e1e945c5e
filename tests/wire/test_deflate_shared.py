"""Compression that costs nothing while a socket is idle, and once for a whole room."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
import types
import zlib
from typing import Any

import pytest

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy
from wirefast.server import deflate, reactor
from wirefast.testing import Live

pytestmark = pytest.mark.asyncio

RSV1 = 0x40
TEXT = 1
LONG = "some text that is long enough to be compressed; " * 8


def application() -> App:
    """An echo whose sockets are all in one room."""
    hub = Hub()
    app = App(hub=hub)

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async with hub.join("room", websocket):
            async for text in websocket.iter_text():
                await websocket.send_text(text)

    return app


def squeeze(compressor: Any, text: str) -> bytes:
    return (compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def live(**settings: Any) -> Live:
    return Live(application(), ws_per_message_deflate=True, ws_ping_interval=None, **settings)


class Sizes:
    """Counts the bytes that the server writes to a peer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[int] = []

        def compressobj(*args: Any) -> Any:
            self.made.append(1)
            return zlib.compressobj(*args)

        monkeypatch.setattr(deflate, "compressobj", compressobj)


async def test_idle_sockets_give_their_memory_back() -> None:
    count = 100  # more than one turn of the loop gives back
    async with live() as server:
        peers = [await server.connect("/echo", compress=True) for _ in range(count)]
        theirs = [zlib.compressobj(wbits=-12) for _ in peers]
        tracemalloc.start()
        try:
            for peer, compressor in zip(peers, theirs, strict=True):
                await peer.send_frame(TEXT, squeeze(compressor, LONG), rsv=RSV1)
                await peer.expect(LONG)
            held = tracemalloc.get_traced_memory()[0]
            await server.clock.advance(9)
            assert tracemalloc.get_traced_memory()[0] > held - count * 4096
            await server.clock.advance(12)
            freed = held - tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        # A compressor of 12 bits takes some 20 KiB, a decompressor of 15 bits 7 KiB and its window of 32 KiB at most.
        assert freed > count * 20_000
        for peer, compressor in zip(peers, theirs, strict=True):
            # The client refers to what it sent before; the window is still there.
            again = squeeze(compressor, LONG)
            assert len(again) < 40
            await peer.send_frame(TEXT, again, rsv=RSV1)
            await peer.expect(LONG)
            await peer.close()


class Loop:
    """An event loop whose time stands still, and which keeps what it is to call."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.soon: list[Any] = []
        self.timers: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, *call: Any) -> None:
        self.soon.append(call)

    def call_at(self, when: float, callback: Any) -> object:
        self.timers.append((when, callback))
        return callback


async def test_sockets_are_freed_some_a_turn_and_the_system_gets_memory_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[str] = []

    class Thread:
        def __init__(self, target: Any, name: str, daemon: bool) -> None:
            assert target is reactor.trim_memory and daemon
            self.name = name

        def start(self) -> None:
            threads.append(self.name)

    monkeypatch.setattr(reactor, "threading", types.SimpleNamespace(Thread=Thread))
    loop = Loop()
    made = reactor.Reactor(loop)  # type: ignore[arg-type]

    def release(count: int) -> None:
        """Free so many sockets at once, turn by turn."""
        idle = [deflate.Deflate() for _ in range(count)]
        made.release(idle, count)
        left = count
        while loop.soon:
            ((callback, idle, total),) = loop.soon
            left -= 64
            assert total == count and len(idle) == left
            loop.soon.clear()
            callback(idle, total)
        assert 0 < left <= 64

    release(63)
    assert loop.timers == []  # too few to be worth it
    release(200)
    ((when, trim),) = loop.timers
    assert when == loop.now  # the first time at once
    release(64)
    assert len(loop.timers) == 1  # one is enough
    trim()
    assert threads == ["wirefast-trim"]
    loop.now += 20
    release(64)
    assert [when for when, _ in loop.timers] == [1000, 1060]
    loop.now = 1060
    loop.timers[1][1]()
    loop.now = 5000
    release(64)
    assert [when for when, _ in loop.timers] == [1000, 1060, 5000]
    assert threads == ["wirefast-trim"] * 2
    reactor.trim_memory()


async def test_a_socket_in_use_keeps_its_context(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Sizes(monkeypatch).made
    async with live() as server, server.connect("/echo", compress=True) as peer:
        for _ in range(8):
            await peer.send(LONG)
            await peer.expect(LONG)
            await server.clock.advance(6)
        assert len(made) == 1
        await server.clock.advance(25)
        await peer.send(LONG)
        await peer.expect(LONG)
        assert len(made) == 2


def watched() -> int:
    """Return how many sockets' streams are looked after."""
    streams = [found for found in gc.get_objects() if type(found).__name__ == "Deflate"]
    return sum(any(type(holder) is set for holder in gc.get_referrers(found)) for found in streams)


async def test_ended_sockets_are_let_go() -> None:
    async with live() as server:
        gc.collect()
        before = watched()
        async with server.connect("/echo", compress=True) as peer:
            await peer.send(LONG)
            await peer.expect(LONG)
            assert watched() == before + 1
        assert watched() == before


async def test_a_room_is_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Sizes(monkeypatch).made
    async with live() as server:
        hub: Hub = server.app.hub
        packed = [await server.connect("/echo", compress=True) for _ in range(5)]
        plain = await server.connect("/echo")
        for text in (LONG, "short", LONG + "!"):
            assert await hub.publish("room", text) == 6
            for peer in (*packed, plain):
                await peer.expect(text)
        assert len(made) == 2
        for peer in (*packed, plain):
            await peer.close()


async def test_what_compression_makes_no_smaller_goes_as_it_is() -> None:
    noise = random.Random(1).randbytes(500)
    async with live() as server, server.connect("/echo", compress=True) as peer:
        await server.app.hub.publish("room", noise)
        await peer.expect(noise)


POLICIES = ["drop_new", "drop_old", "conflate", Policy("wait", deadline=600), Policy("drop_old", max_messages=2)]


def text_of(rng: random.Random, number: int, kind: str) -> str:
    words = " ".join(rng.choice(("alpha", "beta", "gamma", "delta")) for _ in range(rng.choice((2, 40, 200))))
    return f"{kind} {number} {words}"


@pytest.mark.parametrize("seed", range(12))
async def test_every_order_is_inflated(seed: int) -> None:
    """Read all that comes by one inflater: own messages, a room's under each policy, with idle times and stalls."""
    rng = random.Random(seed)
    async with live() as server, server.connect("/echo", compress=True) as peer:
        hub: Hub = server.app.hub
        own: list[str] = []
        published: list[str] = []
        stalled = False
        waiting: list[asyncio.Task[Any]] = []
        for number in range(60):
            step = rng.random()
            if step < 0.4:
                own.append(text_of(rng, number, "own"))
                await peer.send(own[-1])
            elif step < 0.8:
                published.append(text_of(rng, number, "room"))
                task = asyncio.ensure_future(hub.publish("room", published[-1], policy=rng.choice(POLICIES)))
                await asyncio.sleep(0)
                if not task.done():
                    waiting.append(task)
            elif step < 0.87:
                (peer.resume if stalled else peer.stall)()
                stalled = not stalled
            else:
                await server.clock.advance(rng.choice((1, 11, 25)))
        if stalled:
            peer.resume()
        if waiting:
            await asyncio.wait(waiting)
        await peer.send("the end")
        seen: list[Any] = []
        while (text := await peer.receive()) != "the end":
            seen.append(text)
        assert [text for text in seen if text.startswith("own")] == own
        arrived = [text for text in seen if text.startswith("room")]
        assert arrived == sorted(arrived, key=published.index)
        assert arrived
