"""A client's end of a connection: bytes out and in, and every fault that a connection can have.

`MemoryWire` is one end of a pair in memory; `SocketWire` is a real socket. Both behave the same: wirefast's own tests
run their scenarios on each.

wirefast only.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["CURRENT", "MemoryWire", "Receiver", "SocketWire", "Wire"]

#: The bytes that the network takes from the server while the client does not read, like a kernel's buffers.
NETWORK = 262144
#: The most bytes of one read.
READ = 262144
#: The limits of the transport's buffer: the protocol pauses its writing above the first, and goes on at the second.
HIGH, LOW = 65536, 16384

#: The port of the connection whose bytes are read now, for the tasks that begin meanwhile.
CURRENT: contextvars.ContextVar[int] = contextvars.ContextVar("wirefast.testing.current")


class Receiver(Protocol):
    """The receiver of the server's bytes."""

    def received(self, data: bytes) -> None:
        """Take bytes."""

    def ended(self, lost: bool) -> None:
        """Note that the stream has ended; ``lost``: by a reset."""


class Wire(ABC):
    """The client's end of one connection."""

    #: The client's port, as the server sees it.
    port: int

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes."""

    @property
    @abstractmethod
    def unsent(self) -> int:
        """Bytes that were written here and that the network has not taken. In memory: that the server has not read."""

    @abstractmethod
    def hold(self) -> None:
        """Stop reading."""

    @abstractmethod
    def release(self) -> None:
        """Read again."""

    @abstractmethod
    def fill(self) -> None:
        """Let the server's transport tell its protocol to pause writing, until ``release``."""

    @abstractmethod
    def half_close(self) -> None:
        """End the client's side of the stream, and go on reading."""

    @abstractmethod
    def reset(self) -> None:
        """Break the connection."""

    @abstractmethod
    def close(self) -> None:
        """End both sides."""


class MemoryTransport(asyncio.Transport):
    """The server's end of a pair in memory: like a transport of the loop, with a network of `NETWORK` bytes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, server: tuple[str, int]) -> None:
        super().__init__({"peername": ("127.0.0.1", port), "sockname": server})
        self.loop = loop
        self.protocol: Any = None
        self.wire: MemoryWire
        self.context = contextvars.copy_context()
        self.context.run(CURRENT.set, port)
        # To the client.
        self.out: list[bytes] = []
        self.out_size = 0
        self.high, self.low = HIGH, LOW
        self.paused = False
        self.filled = False
        self.delivering = False
        self.out_ended = False
        # From the client.
        self.incoming = bytearray()
        self.in_ended = False
        self.feeding = False
        self.reading = True
        self.closing = False
        self.gone = False

    # ---- Calls of a protocol ----

    def write(self, data: Any) -> None:
        if self.gone or self.out_ended or not data:
            return
        self.out.append(bytes(data))
        self.out_size += len(data)
        self.deliver_soon()
        if not self.paused and self.get_write_buffer_size() > self.high:
            self.pause()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return max(0, self.out_size - NETWORK)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self.low, self.high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH if low is None else 4 * low
        self.high, self.low = high, high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.out_ended = True
        self.deliver_soon()

    def is_closing(self) -> bool:
        return self.closing

    def is_reading(self) -> bool:
        return self.reading and not self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        if not self.reading:
            self.reading = True
            self.feed_soon()

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.incoming.clear()
            self.close_when_written()

    def abort(self) -> None:
        if not self.gone:
            self.closing = True
            # The bytes in the network are still delivered.
            kept = b"".join(self.out)[:NETWORK]
            self.out, self.out_size = ([kept], len(kept)) if kept else ([], 0)
            self.lose(None)

    # ---- To the client ----

    def pause(self) -> None:
        self.paused = True
        if self.protocol is not None:
            self.protocol.pause_writing()

    def resume_when_low(self) -> None:
        if self.paused and not self.filled and self.get_write_buffer_size() <= self.low:
            self.paused = False
            if self.protocol is not None and not self.gone:
                self.protocol.resume_writing()

    def deliver_soon(self) -> None:
        if not self.delivering and not self.wire.held:
            self.delivering = True
            self.loop.call_soon(self.deliver)

    def deliver(self) -> None:
        self.delivering = False
        if self.wire.held:
            return
        if self.out:
            data, self.out, self.out_size = b"".join(self.out), [], 0
            if len(data) > READ:
                data, rest = data[:READ], data[READ:]
                self.out.insert(0, rest)
                self.out_size = len(rest)
            self.wire.receiver.received(data)
            self.resume_when_low()
            if self.out:
                self.deliver_soon()
        if self.closing and not self.gone:
            self.close_when_written()
        if not self.out and (self.out_ended or self.gone):
            self.wire.end(False)

    def close_when_written(self) -> None:
        if self.get_write_buffer_size() == 0:
            self.lose(None)

    def lose(self, exc: Exception | None) -> None:
        """End the transport, and tell the protocol in the next turn."""
        if not self.gone:
            self.gone = self.closing = True
            self.loop.call_soon(self.tell_lost, exc)
            self.deliver_soon()

    def tell_lost(self, exc: Exception | None) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connection_lost(exc)

    # ---- From the client ----

    def feed_soon(self) -> None:
        if not self.feeding and self.reading and not self.closing and (self.incoming or self.in_ended):
            self.feeding = True
            self.loop.call_soon(self.feed, context=self.context)

    def feed(self) -> None:
        self.feeding = False
        if not self.reading or self.closing or self.protocol is None:
            return
        if self.incoming:
            data = bytes(self.incoming[:READ])
            del self.incoming[:READ]
            self.protocol.data_received(data)
            self.feed_soon()
        elif self.in_ended:
            self.in_ended = False
            if not self.protocol.eof_received():
                self.close()


class MemoryWire(Wire):
    """The client's end of a pair in memory.

    Args:
        protocol: a new protocol of the server.
        receiver: the receiver of the server's bytes.
        port: the client's port.
        server: the server's address.
    """

    def __init__(self, protocol: Any, receiver: Receiver, port: int, server: tuple[str, int]) -> None:
        self.port = port
        self.receiver = receiver
        self.held = False
        self.over = False
        self.transport = MemoryTransport(asyncio.get_running_loop(), port, server)
        self.transport.wire = self
        self.transport.protocol = protocol
        protocol.connection_made(self.transport)

    def write(self, data: bytes) -> None:
        if not self.over and not self.transport.closing:
            self.transport.incoming += data
            self.transport.feed_soon()

    @property
    def unsent(self) -> int:
        return len(self.transport.incoming)

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = self.transport.filled = False
        self.transport.deliver_soon()
        self.transport.resume_when_low()

    def fill(self) -> None:
        self.transport.filled = True
        if not self.transport.paused and not self.transport.gone:
            self.transport.pause()

    def half_close(self) -> None:
        self.transport.in_ended = True
        self.transport.feed_soon()

    def reset(self) -> None:
        self.transport.out, self.transport.out_size = [], 0
        self.transport.lose(ConnectionResetError(104, "Connection reset by peer"))
        self.end(True)

    def close(self) -> None:
        self.held = False
        self.half_close()

    def end(self, lost: bool) -> None:
        """Tell the client, once."""
        if not self.over:
            self.over = True
            self.receiver.ended(lost)


class SocketWire(Wire, asyncio.Protocol):
    """A real socket. The other end of it is found among the server's ``connections``.

    Args:
        receiver: the receiver of the server's bytes.
        connections: a function that returns the protocols of the server.
    """

    def __init__(self, receiver: Receiver, connections: Callable[[], Any]) -> None:
        self.receiver = receiver
        self.connections = connections
        self.over = False
        self.filled = False
        self.transport: Any = None

    @classmethod
    async def open(cls, address: Any, receiver: Receiver, connections: Callable[[], Any]) -> SocketWire:
        """Connect to an address."""
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: cls(receiver, connections), address[0], address[1])
        return wire

    # ---- Asyncio's side ----

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def data_received(self, data: bytes) -> None:
        self.receiver.received(data)

    def eof_received(self) -> bool:
        self._end(False)
        return True  # the client's side stays open until the test ends it

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc is not None)

    def _end(self, lost: bool) -> None:
        if not self.over:
            self.over = True
            self.receiver.ended(lost)

    # ---- The client's side ----

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    @property
    def unsent(self) -> int:
        size: int = self.transport.get_write_buffer_size()
        return size

    def hold(self) -> None:
        self.transport.pause_reading()

    def release(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
        if self.filled:
            self.filled = False
            for protocol in self._others():
                if protocol.transport.get_write_buffer_size() <= LOW:
                    protocol.resume_writing()

    def fill(self) -> None:
        self.filled = True
        for protocol in self._others():
            protocol.pause_writing()

    def _others(self) -> list[Any]:
        return [
            protocol
            for protocol in self.connections()
            if (protocol.transport.get_extra_info("peername") or (None, None))[1] == self.port
        ]

    def half_close(self) -> None:
        if not self.transport.is_closing():
            self.transport.write_eof()

    def reset(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        self._end(True)

    def close(self) -> None:
        self.transport.close()
