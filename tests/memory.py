"""A WebSocket of our server protocol whose transport is a list: the direct way to the peer, without a network."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from wirefast.server import WebSocketProtocol

TEXT, BINARY, CLOSE = 1, 2, 8


def client_frame(opcode: int, data: bytes) -> bytes:
    """A frame from a client, masked with zeros."""
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0xFE, size)
    return bytes([0x80 | opcode]) + length + bytes(4) + data


class MemoryTransport(asyncio.Transport):
    """Keeps what is written, and closes when it is told to."""

    def __init__(self, protocol: Any) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 80)})
        self.protocol = protocol
        self.written = bytearray()
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.lost, None)

    def lost(self, exc: Exception | None) -> None:
        """Tell the protocol, and let go of it, as transports do."""
        self.closing = True
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connection_lost(exc)

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Memory:
    """One server; ``open(target)`` makes a connection to its application. Use within a running loop."""

    def __init__(self, app: Any, **settings: Any) -> None:
        settings = {"ws_per_message_deflate": False, "ws_ping_interval": None} | settings
        self.config = uvicorn.Config(app, log_config=None, lifespan="off", **settings)
        self.config.load()
        # uvicorn's own wrapper adds nothing here.
        self.config.loaded_app = app
        self.state = ServerState()

    def open(
        self, target: str = "/", extensions: str | None = None, transport: type[MemoryTransport] = MemoryTransport
    ) -> MemoryPeer:
        protocol = WebSocketProtocol(config=self.config, server_state=self.state, app_state={})
        peer = MemoryPeer(transport(protocol))
        protocol.connection_made(peer.transport)
        offer = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
        protocol.data_received(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"{offer}\r\n".encode("ascii")
        )
        return peer

    async def ended(self) -> None:
        """Wait for every application to return and every connection to be gone."""
        while self.state.tasks or self.state.connections:
            await asyncio.sleep(0)

    async def exchange(self, messages: list[str], look: Callable[[], Any] | None = None) -> Any:
        """Open a connection, send each message in a turn of its own, and close.

        Args:
            messages: texts.
            look: called after the last message, before the close.

        Returns:
            What ``look`` returned; None without it.
        """
        peer = self.open()
        for message in messages:
            await asyncio.sleep(0.001)
            peer.send(message)
        await asyncio.sleep(0.001)
        seen = None if look is None else look()
        peer.close()
        await self.settled(peer)
        return seen

    async def settled(self, peer: MemoryPeer) -> None:
        """As ``ended``; a close frame of the application's end is answered by the peer."""
        answered = False
        deadline = time.monotonic() + 20
        while self.state.tasks or self.state.connections:
            assert time.monotonic() < deadline, bytes(peer.transport.written[-200:])
            if not answered and not self.state.tasks and peer.close_code is not None:
                answered = True
                peer.close(peer.close_code)
            await asyncio.sleep(0)


@asynccontextmanager
async def accepted(app: Any, **settings: Any) -> AsyncIterator[MemoryPeer]:
    """A connection that ``app`` accepted. At the end it breaks, and the application is cancelled if it still runs."""
    memory = Memory(app, **settings)
    peer = memory.open()
    while peer.status is None:
        await asyncio.sleep(0)
    assert peer.status == 101
    try:
        yield peer
    finally:
        peer.lose()
        for task in memory.state.tasks:
            task.cancel()
        await memory.ended()


class MemoryPeer:
    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport

    def receive(self, data: bytes) -> None:
        if self.transport.protocol is not None:
            self.transport.protocol.data_received(data)

    def send(self, message: str | bytes) -> None:
        opcode, data = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
        self.receive(client_frame(opcode, data))

    def close(self, code: int = 1000) -> None:
        self.receive(client_frame(CLOSE, struct.pack("!H", code)))

    def lose(self) -> None:
        """The connection breaks."""
        self.transport.lost(ConnectionResetError())

    @property
    def status(self) -> int | None:
        """The status of the response to the handshake."""
        head = bytes(self.transport.written[:32]).split(b" ")
        return int(head[1]) if len(head) > 2 else None

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """Opcode and payload of every frame so far."""
        _, _, data = bytes(self.transport.written).partition(b"\r\n\r\n")
        found = []
        while data:
            start, size = (2, data[1]) if data[1] < 126 else (4, int.from_bytes(data[2:4], "big"))
            found.append((data[0] & 15, data[start : start + size]))
            data = data[start + size :]
        return found

    @property
    def messages(self) -> list[str | bytes]:
        return [data.decode() if opcode == TEXT else data for opcode, data in self.frames if opcode != CLOSE]

    @property
    def close_code(self) -> int | None:
        return next((struct.unpack("!H", data[:2])[0] for opcode, data in self.frames if opcode == CLOSE), None)
