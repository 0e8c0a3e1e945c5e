"""A WebSocket protocol of uvicorn's kind without a network: bytes in by ``data_received``, bytes out to a list."""

import asyncio
import importlib.util
import zlib
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from benchmarks.asgi import App
from benchmarks.wire.load import masked_frame, upgrade_request

# uvicorn's asyncio protocol on `websockets` needs a real transport, so it is measured by benchmarks.wire only.
CLASSES = {
    "wirefast": "wirefast.server:WebSocketProtocol",
    "websockets-sansio": "websockets-sansio",
    "wsproto": "wsproto",
}
INSTALLED = [name for name in CLASSES if importlib.util.find_spec(name.partition("-")[0]) is not None]


class Transport(asyncio.Transport):
    """Takes everything at once and keeps it until ``take``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8_000)})
        self._loop = loop
        self._written: list[bytes] = []
        self._left = 0
        self._enough: asyncio.Future[None] | None = None

    def write(self, data: Any) -> None:
        self._written.append(data)
        self._left -= len(data)
        if self._left <= 0 and self._enough is not None:
            self._enough.set_result(None)
            self._enough = None

    def take(self, size: int) -> bytes:
        """Run the loop until so many bytes are there, and return them."""
        self._left = size - sum(map(len, self._written))
        if self._left > 0:
            self._enough = self._loop.create_future()
            self._loop.run_until_complete(self._enough)
        found = b"".join(self._written)
        self._written.clear()
        return found

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False


class Sink:
    """An application that counts messages and sends none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = 0
        self._done: asyncio.Future[Any] = loop.create_future()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self._left -= 1
            if self._left == 0:
                self._done.set_result(message["text"])

    def expect(self, count: int) -> None:
        self._left, self._done = count, self._loop.create_future()

    def last(self) -> Any:
        """Run the loop until all have come, and return the last one's text."""
        return self._loop.run_until_complete(self._done)


class Source:
    """An application that answers each message with the same text, so many times."""

    def __init__(self, text: str, count: int) -> None:
        self.text, self.count = text, count

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            for _ in range(self.count):
                await send({"type": "websocket.send", "text": self.text})


class Wire:
    """An open connection.

    Args:
        loop: of the protocol.
        peer: one of ``CLASSES``.
        app: the ASGI application.
        deflate: whether both sides agree on permessage-deflate.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str, app: App, deflate: bool = False) -> None:
        settings: dict[str, Any] = {"ws": CLASSES[peer], "lifespan": "off", "log_config": None}
        settings |= {"ws_ping_interval": None, "ws_per_message_deflate": deflate}
        config = uvicorn.Config(app, **settings)
        config.load()
        self._loop = loop
        self._state = ServerState()
        self.transport = Transport(loop)
        make: Any = config.ws_protocol_class
        self.protocol = make(config=config, server_state=self._state, app_state={}, _loop=loop)
        headers = [("Sec-WebSocket-Extensions", "permessage-deflate")] if deflate else []
        loop.call_soon(self._open, upgrade_request("/text", headers))
        response = self.transport.take(1)
        if not response.startswith(b"HTTP/1.1 101") or (b"permessage-deflate" in response) != deflate:
            raise AssertionError(response)

    def _open(self, request: bytes) -> None:
        self.protocol.connection_made(self.transport)
        self.protocol.data_received(request)

    def close(self) -> None:
        """The client is gone; wait for the application."""
        self.protocol.connection_lost(None)
        tasks = list(self._state.tasks)
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))


def compressed_frame(payload: bytes) -> bytes:
    """A text frame with RSV1 and a payload that refers to no other message (RFC 7692 section 7.2.1)."""
    packer = zlib.compressobj(wbits=-12)
    packed = (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
    frame = bytearray(masked_frame(packed))
    frame[0] |= 0x40
    return bytes(frame)
