"""Rooms on real sockets: what a receiver costs, what slow and dead members do to the others, what joining leaves.

``python -m benchmarks.rooms fanout`` (and ``slow``, ``joins``). The server is this process; another one holds the
clients, reads what they get and answers with how late it was. CPU is that of this process, user and system.

``fanout`` has all its servers at once, each with members of its own: one over our own sockets, one over the loop's
transports, FastAPI's. Each round is of all ways, in an order by chance, and each ratio is of one round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import re
import resource
import selectors
import socket
import statistics
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import fastapi
import uvicorn
import uvloop

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy
from wirefast.server.config import Settings
from wirefast.server.sockets.listening import Listening, SocketServer

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# When a message was published, as its last member. It is not looked for across two reads: a frame is one write.
AT = re.compile(rb'"at":"([0-9a-f]{16})"}')


def resident() -> int:
    """KiB."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


# ---- The clients' process ----


def connect(port: int, rcvbuf: int = 0) -> socket.socket:
    sock = socket.socket()
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    sock.connect(("127.0.0.1", port))
    sock.sendall(REQUEST)
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    assert head.startswith(b"HTTP/1.1 101"), head
    return sock


class Stream:
    """What a client gets: the same frame, again and again."""

    def __init__(self, frame: bytes) -> None:
        self.frames = frame * (2 + 262144 // len(frame))
        self.length = len(frame)
        self.at = 0

    def take(self, data: bytes) -> None:
        assert data == self.frames[self.at : self.at + len(data)], "a client got something else"
        self.at = (self.at + len(data)) % self.length


def clients(port: int, healthy: int, silent: int, dead: int, frame: bytes, pipe: Any) -> None:
    """Open them, say so; read until told otherwise; answer with the delays of the messages that hold a time (``AT``).

    The dead ones are reset when the word is given. Where there is a frame, the healthy ones get nothing else.
    """
    chosen = selectors.DefaultSelector()
    doomed = [connect(port) for _ in range(dead)]
    stuck = [connect(port, 4096) for _ in range(silent)]
    for _ in range(healthy):
        sock = connect(port)
        sock.setblocking(False)
        chosen.register(sock, selectors.EVENT_READ, Stream(frame) if frame else None)
    chosen.register(pipe, selectors.EVENT_READ)
    pipe.send("open")
    delays: list[float] = []
    bytes_read = 0
    while True:
        for key, _ in chosen.select():
            if key.fileobj is pipe:
                word = pipe.recv()
                if word == "die":
                    for sock in doomed:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        sock.close()
                    pipe.send("dead")
                elif word == "count":
                    pipe.send((bytes_read, delays))
                    delays = []
                else:
                    del stuck
                    return
            else:
                data = key.fileobj.recv(262144)  # type: ignore[union-attr]
                bytes_read += len(data)
                if key.data is not None:
                    key.data.take(data)
                    continue
                now = time.monotonic()
                delays.extend(now - int(at, 16) / 1e9 for at in AT.findall(data))


class Clients:
    def __init__(self, port: int, healthy: int, silent: int = 0, dead: int = 0, frame: bytes = b"") -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=clients, args=(port, healthy, silent, dead, frame, theirs)
        )
        self.process.start()

    async def answer(self, word: str | None = None) -> Any:
        if word is not None:
            self.pipe.send(word)
        return await asyncio.get_running_loop().run_in_executor(None, self.pipe.recv)

    def stop(self) -> None:
        self.pipe.send("stop")
        self.process.join()


# ---- The server ----


async def served(
    app: Any,
    script: Callable[[uvicorn.Server, int], Awaitable[None]],
    sndbuf: int = 0,
    transport: Literal["sockets", "loop"] = "sockets",
    **settings: Any,
) -> None:
    """Run a script beside a server, with the server and its port."""
    settings = {"ws": "wirefast.server:WebSocketProtocol", "http": "wirefast.server:HttpProtocol"} | settings
    config = Settings(app, log_level="error", ws_ping_interval=None, timeout_graceful_shutdown=5, **settings)
    config.transport = transport
    server = Listening(config)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        if sndbuf:  # its connections inherit it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            await script(server, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def application(hub: Hub, sockets: list[Any]) -> App:
    app = App(hub=hub)

    @app.websocket("/")
    async def member(websocket: WebSocket) -> None:
        await websocket.accept()
        sockets.append(websocket)
        async with hub.join("room", websocket):
            async for _ in websocket.iter_text():
                pass

    return app


def cpu() -> tuple[float, float]:
    """Return the seconds of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime


def spread(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


class Way:
    """One way to send a message to all members of a server: its CPU for each receiver, and a check of what came."""

    def __init__(self, name: str, crowd: Clients, members: int, frame: bytes, send: Callable[[], Awaitable[None]]):
        self.name, self.crowd, self.members, self.frame, self.send = name, crowd, members, frame, send
        self.user: list[float] = []
        self.system: list[float] = []
        self.both: list[float] = []

    async def round(self, messages: int) -> None:
        """Send so many messages; return once every client has them.

        Raises:
            AssertionError: a client got more, or something else.
        """
        before = await self.crowd.answer("count")
        gc.collect()
        user, system = cpu()
        for _ in range(messages):
            await self.send()
            await asyncio.sleep(0)
        user, system = (after - at for after, at in zip(cpu(), (user, system), strict=True))
        expected = before[0] + messages * self.members * len(self.frame)
        while (got := (await self.crowd.answer("count"))[0]) < expected:
            await asyncio.sleep(0.02)
        assert got == expected
        each = 1e6 / messages / self.members
        self.user.append(user * each)
        self.system.append(system * each)
        self.both.append((user + system) * each)


async def fanout(members: int, messages: int, rounds: int = 25) -> None:
    """CPU for each receiver of a JSON message of 126 bytes: bare writes, a hub, FastAPI's loop."""
    message = {"text": "x" * 115}
    text = json.dumps(message, separators=(",", ":")).encode()
    frame = bytes([0x81, 126, 0, len(text)]) + text
    assert len(text) == 126
    ways: list[Way] = []

    async def crowd_of(port: int, count: Callable[[], int]) -> Clients:
        crowd = Clients(port, members, frame=frame)
        await crowd.answer()
        while count() < members:
            await asyncio.sleep(0.01)
        return crowd

    async def ours(transport: Literal["sockets", "loop"], script: Callable[[], Awaitable[None]]) -> None:
        hub, sockets = Hub(), list[Any]()

        async def bare() -> None:
            for websocket in sockets:
                websocket._send.channel.transport.write(frame)

        async def publish() -> None:
            assert await hub.publish("room", message) == members

        async def beside(server: uvicorn.Server, port: int) -> None:
            assert isinstance(server.servers[0], SocketServer) == (transport == "sockets")
            crowd = await crowd_of(port, lambda: hub.count("room"))
            ways.append(Way(f"transport.write, {transport}", crowd, members, frame, bare))
            ways.append(Way(f"hub.publish, {transport}", crowd, members, frame, publish))
            await script()
            crowd.stop()

        await served(application(hub, sockets), beside, transport=transport)

    async def theirs() -> None:
        sockets = list[Any]()
        app = fastapi.FastAPI()

        async def member(websocket: fastapi.WebSocket) -> None:
            await websocket.accept()
            sockets.append(websocket)
            async for _ in websocket.iter_text():
                pass

        app.add_api_websocket_route("/", member)

        async def loop() -> None:
            for websocket in sockets:
                await websocket.send_json(message)

        async def beside(_: uvicorn.Server, port: int) -> None:
            crowd = await crowd_of(port, lambda: len(sockets))
            ways.append(Way("FastAPI's loop", crowd, members, frame, loop))
            await measure()
            crowd.stop()

        await served(app, beside, transport="loop", ws="auto", http="auto", ws_per_message_deflate=False)

    async def measure() -> None:
        chance = random.Random(1)
        for _ in range(rounds + 1):
            for way in chance.sample(ways, len(ways)):
                await way.round(messages)

    await ours("loop", lambda: ours("sockets", theirs))
    floor = ways[0]
    print(f"us of CPU a receiver, median of {rounds} rounds of {messages} messages to {members} (quartiles)")
    for way in ways:
        del way.user[0], way.system[0], way.both[0]  # the first round warms
        ratios = [mine / bare for mine, bare in zip(way.both, floor.both, strict=True)]
        parts = f"user {statistics.median(way.user):.2f}, system {statistics.median(way.system):.2f}"
        print(f"{way.name:25} {spread(way.both):22} {parts:26} times {floor.name}: {spread(ratios)}")


async def slow(members: int, rounds: int) -> None:
    """The delays that healthy members see with and without a fifth of dead and silent ones beside them.

    The kernel's buffers are small, so that the server soon holds what the silent ones do not read. Dead ones are reset
    while messages go out.
    """
    policy = Policy("close", max_messages=100, max_bytes=262144)
    for silent, dead in ((0, 0), (members // 10, members // 10)):
        hub = Hub(policy=policy)

        async def script(
            server: uvicorn.Server, port: int, silent: int = silent, dead: int = dead, hub: Hub = hub
        ) -> None:
            healthy = members - silent - dead
            crowd = Clients(port, healthy, silent, dead)
            await crowd.answer()
            while hub.count("room") < members:
                await asyncio.sleep(0.01)
            await crowd.answer("count")
            gc.collect()
            memory, closed_at, gone_at, most = resident(), 0.0, 0.0, 0
            for number in range(rounds):
                if dead and number == rounds // 4:
                    await crowd.answer("die")
                await hub.publish("room", {"pad": "x" * 2000, "at": f"{time.monotonic_ns():016x}"})
                if silent and hub.stats.closed == silent:
                    closed_at = closed_at or time.monotonic()
                    if not gone_at and len(server.server_state.connections) == healthy:
                        gone_at = time.monotonic()
                most = max(most, resident() - memory)
                await asyncio.sleep(0.25)
            _, delays = await crowd.answer("count")
            assert len(delays) == healthy * rounds, "a healthy member misses messages"
            assert not silent or gone_at, "those that do not read are still connected"
            delays.sort()
            stats = hub.stats
            print(
                f"{healthy} healthy, {silent} silent, {dead} dead: p50 {delays[len(delays) // 2] * 1e3:.1f} ms, "
                f"p99 {delays[len(delays) * 99 // 100] * 1e3:.1f} ms of {len(delays)} delays; "
                f"members at the end {stats.sockets}, ended {stats.ended}, dropped {stats.dropped}, "
                f"closed {stats.closed} and gone {gone_at - closed_at:.1f} s later; memory at most {most} KiB more"
            )
            crowd.stop()

        await served(application(hub, []), script, sndbuf=4096)


async def joins(count: int) -> None:
    """Memory after joining and leaving rooms of random names."""
    sockets: list[Any] = []
    hub = Hub()

    async def script(_: uvicorn.Server, port: int) -> None:
        crowd = Clients(port, 10)
        await crowd.answer()

        async def churn(number: int) -> None:
            for _ in range(number):
                async with hub.join(os.urandom(8).hex(), sockets[number % 10]):
                    pass

        await churn(10_000)
        gc.collect()
        before, objects = resident(), len(gc.get_objects())
        spent = time.process_time()
        await churn(count)
        spent = time.process_time() - spent
        gc.collect()
        print(
            f"{count} joins and leaves: {spent / count * 1e6:.1f} us CPU each, {resident() - before} KiB and "
            f"{len(gc.get_objects()) - objects} objects more, {hub.stats.rooms} rooms"
        )
        crowd.stop()

    await served(application(hub, sockets), script)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["fanout", "slow", "joins"])
    parser.add_argument("--members", type=int, help="default: 1000 for fanout, 2000 for slow")
    parser.add_argument("--rounds", type=int, help="default: 20, 400, or a million joins")
    given = parser.parse_args()
    with_defaults = {
        "fanout": lambda: fanout(given.members or 1000, given.rounds or 20),
        "slow": lambda: slow(given.members or 2000, given.rounds or 400),
        "joins": lambda: joins(given.rounds or 1_000_000),
    }
    uvloop.run(with_defaults[given.what]())


if __name__ == "__main__":
    main()
