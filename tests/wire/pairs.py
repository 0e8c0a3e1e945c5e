"""A transport over one end of a connected pair: ours and the loop's own, with a protocol that notes what it is told."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from wirefast.server.sockets.listener import adopt

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
PATIENCE = 10.0


class Noting(asyncio.Protocol):
    """Notes the calls of its transport in order."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.data = bytearray()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.stays_after_eof = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool | None:
        self.calls.append("eof")
        return self.stays_after_eof

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.lost.set_result(exc)  # raises where it is told twice


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection over the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    return accepted, client


def reset(sock: socket.socket) -> None:
    """Close an end with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop turn until something holds."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + PATIENCE
    while not condition():
        assert loop.time() < ends, "it never comes to that"
        await asyncio.sleep(0.001)


class Ends:
    """What a test of one transport works with.

    Attributes:
        own: whether the transports are ours.
        errors: what the loop's exception handler was given.
    """

    def __init__(self, own: bool) -> None:
        self.own = own
        self.errors: list[dict[str, Any]] = []
        self.peers: list[socket.socket] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.errors.append(context))

    async def open(self, protocol: Any = None, *, tcp: bool = False) -> tuple[Any, Any, socket.socket]:
        """Return a protocol, its transport and the peer's socket, which does not block."""
        protocol = Noting() if protocol is None else protocol
        ours, peer = tcp_pair() if tcp else socket.socketpair()
        peer.setblocking(False)
        self.peers.append(peer)
        loop = asyncio.get_running_loop()
        if self.own:
            adopt(loop, ours, protocol)
        else:
            ours.setblocking(False)
            await loop.connect_accepted_socket(lambda: protocol, ours)
        return protocol, protocol.transport, peer

    async def read(self, peer: socket.socket, size: int) -> bytes:
        """Read so many bytes at the peer's end, or to its end where that comes first."""
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < size:
            more = await asyncio.wait_for(loop.sock_recv(peer, size - len(data)), PATIENCE)
            if not more:
                break
            data += more
        return data

    def stop(self) -> None:
        for peer in self.peers:
            peer.close()


def run(case: Callable[[Ends], Awaitable[None]], loop_name: str, own: bool) -> None:
    """Run a case on a loop of its own, and end the connections that it leaves."""
    loop = LOOPS[loop_name]()

    async def main() -> None:
        ends = Ends(own)
        try:
            await case(ends)
        finally:
            ends.stop()
            await asyncio.sleep(0.01)
            # The last loop stays with its reactor, and would keep the errors with all that they name.
            asyncio.get_running_loop().set_exception_handler(None)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
