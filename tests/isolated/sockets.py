"""Real sockets that come and go, and sockets that stay: nothing is kept of the ones, nothing grows with the others.

A server of ours in this process, the clients in another; first over our own sockets, then over the loop's transports.
Churn: clean ends, resets, half handshakes and connections that just break, one after the other. Soak: sockets that
talk, answer pings, and are now and then replaced.

In the test suite this is short. The long form, 100,000 connections and ten minutes over each::

    WIREFAST_CHURN_COUNT=100000 WIREFAST_SOAK_SECONDS=600 python tests/isolated/sockets.py
"""

import asyncio
import gc
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from leaks import SLACK, ours

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

import uvloop
from peer import PING, PONG, TEXT, Frame, Peer, close_frame, frame, request

from measures import descriptors, resident
from wirefast import App, Depends, WebSocket
from wirefast.server.config import Settings
from wirefast.server.sockets.listening import Listening, SocketServer

CHURN = int(os.environ.get("WIREFAST_CHURN_COUNT", "2000"))
SOAK = float(os.environ.get("WIREFAST_SOAK_SECONDS", "5"))
SOCKETS = 200
#: Seconds from one message of a socket to its next, and the share of the sockets that is replaced each time.
PACE = min(1.0, SOAK / 10)
REPLACED = 0.01

# ---- The server ----


def build() -> App:
    app = App()

    async def database() -> Any:
        yield "db"

    @app.websocket("/rooms/{room}")
    async def endpoint(websocket: WebSocket, room: int, db: Annotated[str, Depends(database)]) -> None:
        await websocket.accept()
        while True:
            await websocket.send_json({"room": room, "said": await websocket.receive_json()})

    return app


class Service:
    """The server, and what it holds.

    Args:
        transport: who reads and writes the connections, ``"sockets"`` or ``"loop"``.
    """

    def __init__(self, transport: Literal["sockets", "loop"]) -> None:
        self.transport = transport
        config = Settings(
            build(),
            ws="wirefast.server:WebSocketProtocol",
            http="wirefast.server:HttpProtocol",
            port=0,
            lifespan="off",
            log_level="warning",
            ws_ping_interval=1.0,
            ws_ping_timeout=30.0,
            ws_per_message_deflate=False,
        )
        config.transport = transport
        self.server = Listening(config)

    async def __aenter__(self) -> "Service":
        self.serving = asyncio.ensure_future(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        assert isinstance(self.server.servers[0], SocketServer) == (self.transport == "sockets")
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        await self.serving

    async def clients(self, work: str, amount: float) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(sys.executable, __file__, work, str(self.port), str(amount))

    async def run(self, work: str, amount: float) -> None:
        """Run the clients to their end, and wait until the server has seen all of them go."""
        clients = await self.clients(work, amount)
        assert await clients.wait() == 0, f"the clients of {work} failed"
        deadline = time.monotonic() + 30
        while self.server.server_state.connections or self.server.server_state.tasks:
            assert time.monotonic() < deadline, f"{len(self.server.server_state.connections)} connections stayed"
            await asyncio.sleep(0.01)
        # The transports close in the next turns of the loop.
        for _ in range(10):
            await asyncio.sleep(0)


async def churn(service: Service) -> None:
    await service.run("churn", max(500, CHURN // 10))
    gc.collect()
    before, files, memory = ours(), len(descriptors()), resident()
    await service.run("churn", CHURN)
    grown = (resident() - memory) // 1024
    # Reference counting alone has to free everything.
    gc.disable()
    await service.run("churn", 300)
    left = ours() - before
    gc.enable()
    assert not left, f"{dict(left)} wait for the garbage collector"
    assert len(descriptors()) == files, f"{len(descriptors()) - files} descriptors stayed open"
    assert grown < SLACK, f"{grown} KiB more after {CHURN:,} connections"
    print(f"{service.transport}, churn: {CHURN:,} connections, {grown:+} KiB")


async def soak(service: Service) -> None:
    gc.collect()
    before, files = ours(), len(descriptors())
    running = asyncio.ensure_future(service.run("soak", SOAK))
    while len(service.server.server_state.connections) < SOCKETS:
        assert not running.done(), "the clients failed"
        await asyncio.sleep(0.01)
    # What a socket needs, it has after a while; from then on nothing is to be added.
    samples: list[tuple[int, int]] = []
    for _ in range(4):
        await asyncio.sleep(SOAK / 5)
        gc.collect()
        samples.append((resident() // 1024, sum(ours().values())))
    await running
    del running
    # The callback that brought us here holds the task that ended.
    await asyncio.sleep(0)
    gc.collect()
    (memory, objects), (memory_later, objects_later) = samples[1], samples[-1]
    # Sockets that are just being replaced may be missing or there twice.
    assert abs(objects_later - objects) < 12 * SOCKETS * 0.2, f"{objects} objects, then {objects_later}"
    assert memory_later - memory < SLACK, f"{memory_later - memory} KiB more while it soaked"
    assert not ours() - before, f"{dict(ours() - before)} stayed"
    assert len(descriptors()) == files
    grown = f"{memory_later - memory:+} KiB from a third of the time to the end"
    print(f"{service.transport}, soak: {SOCKETS} sockets, {SOAK:g} s, {grown}")


async def main() -> None:
    transports: tuple[Literal["sockets", "loop"], ...] = ("sockets", "loop")
    for transport in transports:
        async with Service(transport) as service:
            await churn(service)
            await soak(service)


# ---- The clients ----


def message(peer: Peer) -> Frame:
    """The next frame that is no ping; pings are answered."""
    while (found := peer.frame()).opcode == PING:
        peer.send(frame(PONG, found.data))
    return found


def opened(port: int) -> Peer:
    peer = Peer(("127.0.0.1", port), timeout=30)
    peer.open("/rooms/7")
    return peer


def come_and_go(port: int, count: int) -> None:
    """Of ten connections five end cleanly, three with a reset, one in its handshake, one without a word."""
    for i in range(count):
        kind = i % 10
        if kind == 0:
            with Peer(("127.0.0.1", port)) as peer:
                peer.send(request("/rooms/7")[: 20 + i % 100])
            continue
        peer = opened(port)
        peer.send(frame(TEXT, b'"hello"'))
        if kind % 2 or kind == 2:
            assert message(peer).data == b'{"room":7,"said":"hello"}'
        if kind in (2, 4, 6):
            peer.reset()
            continue
        if kind != 8:
            peer.send(close_frame())
            assert message(peer).code == 1000
            assert not peer.fill()
        peer.sock.close()


def stay(port: int, seconds: float) -> None:
    peers = [opened(port) for _ in range(SOCKETS)]
    ends = time.monotonic() + seconds
    turn = 0
    while (now := time.monotonic()) < ends:
        for peer in peers:
            peer.send(frame(TEXT, b"%d" % turn))
        for peer in peers:
            assert message(peer).data == b'{"room":7,"said":%d}' % turn
        for _ in range(max(1, int(SOCKETS * REPLACED))):
            old = peers.pop(0)
            if turn % 2:
                old.send(close_frame())
                assert message(old).code == 1000
            old.sock.close()
            peers.append(opened(port))
        turn += 1
        time.sleep(max(0.0, PACE - (time.monotonic() - now)))
    for peer in peers:
        peer.sock.close()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        uvloop.run(main())
    elif sys.argv[1] == "churn":
        come_and_go(int(sys.argv[2]), int(float(sys.argv[3])))
    else:
        stay(int(sys.argv[2]), float(sys.argv[3]))
