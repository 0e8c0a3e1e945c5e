"""A server of our sockets in the loop of a test, and clients that do not block.

The server reads what clients send between two turns of the loop in one turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from apps import echo
from pairs import LOOPS, PATIENCE, until
from peer import BINARY, PONG, TEXT, Frame, request
from uvicorn.server import ServerState

from slower import SLOWER
from wirefast.server.arrival import Reception
from wirefast.server.sockets.listening import SocketServer

# As in poller.pxd.
READ_SIZE, EVENTS_PER_TURN, READ_ROOM = 262_144, 64, 65_536
DEFLATE = [("Sec-WebSocket-Extensions", "permessage-deflate")]


async def digests(scope: Any, receive: Any, send: Any) -> None:
    """Answer each message with its digest."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": digest(message["bytes"])})


def digest(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


async def http_and_echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        if scope["path"] == "/refused":
            await receive()
            await send({"type": "websocket.close"})
        else:
            await echo(scope, receive, send)
        return
    body = scope["path"].encode()
    while (message := await receive()).get("more_body"):
        body += message["body"]
    body += message["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Client:
    """One connection to a service."""

    def __init__(self, address: Any, rcvbuf: int | None = None) -> None:
        self.sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.connect(address)
        if not isinstance(address, str):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.got = bytearray()
        self.inflate = zlib.decompressobj(-15)

    def send(self, *data: bytes) -> None:
        """Send now. The system takes all of it, or the test fails."""
        whole = b"".join(data)
        assert self.sock.send(whole) == len(whole)

    async def send_all(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def take(self, size: int) -> bytes:
        while len(self.got) < size:
            more = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 262_144), PATIENCE * SLOWER)
            if not more:
                raise EOFError(bytes(self.got))
            self.got += more
        found = bytes(self.got[:size])
        del self.got[:size]
        return found

    async def response(self) -> tuple[int, bytes]:
        """The status and the body of the next HTTP response."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await self.take(1)
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return int(head.split()[1]), await self.take(int(length or 0))

    async def frame(self) -> Frame:
        """The next frame; its data without compression."""
        first, second = await self.take(2)
        size = second & 127
        if size >= 126:
            size = int.from_bytes(await self.take(2 if size == 126 else 8), "big")
        data = await self.take(size)
        if first & 0x40:
            data = self.inflate.decompress(data + b"\0\0\xff\xff")
        return Frame(first & 15, data, bool(first & 128), first & 0x70)

    async def message(self) -> bytes:
        """The data of the next message in one frame; no control frame but a pong may come before it."""
        while (found := await self.frame()).opcode == PONG:
            pass
        assert found.opcode in (TEXT, BINARY), found
        return found.data

    async def open(self, *args: Any, **options: Any) -> Client:
        self.send(request(*args, **options))
        status, _ = await self.response()
        assert status == 101
        return self

    async def ended(self) -> bool:
        """Whether the server ends the connection, after any bytes."""
        try:
            while True:
                await self.take(1)
        except (EOFError, ConnectionError):
            return True


class Service:
    """A server of an application, in the running loop.

    Attributes:
        errors: what the loop's exception handler was given.
    """

    def __init__(self, app: Any, path: str | None = None, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        settings = {"ws": "wirefast.server:WebSocketProtocol", "http": "wirefast.server:HttpProtocol"} | settings
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, **settings)
        config.load()
        self.state = ServerState()
        self.errors: list[Any] = []
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        if path is None:
            listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
        else:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(path)
        self.address = listening.getsockname()
        self.server = SocketServer([listening], Reception(config, self.state, {}, loop), 1000)
        self.clients: list[Client] = []

    def client(self, **options: Any) -> Client:
        self.clients.append(Client(self.address, **options))
        return self.clients[-1]

    async def opened(self, count: int, **options: Any) -> list[Client]:
        """Connections whose handshakes are made."""
        return [await self.client().open(**options) for _ in range(count)]

    @property
    def transports(self) -> list[Any]:
        return [protocol.transport for protocol in self.state.connections]

    async def stop(self) -> None:
        self.server.close()
        for client in self.clients:
            client.sock.close()
        await until(lambda: not self.state.connections and not self.state.tasks)
        asyncio.get_running_loop().set_exception_handler(None)


Case = Callable[[Service], Awaitable[None]]


def run(case: Case, loop_name: str, app: Any = echo, *, debug: bool = False, **settings: Any) -> None:
    """Run a case over a service in a loop of its own. The loop's exception handler may get nothing."""
    loop = LOOPS[loop_name]()
    loop.set_debug(debug)

    async def main() -> None:
        service = Service(app, **settings)
        try:
            await case(service)
        finally:
            await service.stop()
        assert service.errors == []

    try:
        loop.run_until_complete(asyncio.wait_for(main(), 60 * SLOWER))
    finally:
        loop.close()


def interrupted(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> int:
    """Run a task to its end; return how often the run was interrupted."""
    count = 0
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (KeyboardInterrupt, SystemExit):
            count += 1
        except RuntimeError as exc:
            # uvloop, after two interrupts in one turn.
            if "stopped before" not in str(exc):
                raise
    task.result()
    return count
