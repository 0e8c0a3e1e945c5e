"""A real uvicorn server in a thread, on an ephemeral port, with our protocols."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
import uvloop
from peer import Peer, close_frame

from wirefast.server.sockets.listening import Listening

# Client and server share an interpreter here: let them take turns more often than every 5 ms.
sys.setswitchinterval(0.0002)


#: Of servers that a test does not choose one for: what `wirefast run` has, or what the run of the tests is to try.
TRANSPORT = os.environ.get("WIREFAST_TRANSPORT", "sockets")


class Steps:
    """asyncio for uvicorn's server, which looks every 100 ms whether to stop and who is left: every 10 ms here."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 10)


uvicorn.server.asyncio = Steps()  # type: ignore[attr-defined]


class Served:
    """A running server: its address, its log records, and its uvicorn objects."""

    def __init__(self, app: Any, loop: str, **settings: Any) -> None:
        settings = {"ws": "wirefast.server:WebSocketProtocol", "http": "wirefast.server:HttpProtocol"} | settings
        settings = {"lifespan": "off", "port": 0, "log_config": None, "log_level": "info"} | settings
        settings = {"timeout_graceful_shutdown": 5} | settings
        transport = settings.pop("transport", TRANSPORT)
        self.config = uvicorn.Config(app, **settings)
        self.config.transport = transport  # type: ignore[attr-defined]
        self.server = Listening(self.config)
        self.loop_name = loop
        self.loop: asyncio.AbstractEventLoop | None = None
        self.records: list[logging.LogRecord] = []
        self.peers: list[Peer] = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.started = threading.Event()

    def run(self) -> None:
        factory = uvloop.new_event_loop if self.loop_name == "uvloop" else asyncio.new_event_loop
        loop = self.loop = factory()
        try:
            loop.run_until_complete(self.serve())
        finally:
            self.started.set()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def serve(self) -> None:
        serving = asyncio.ensure_future(self.server.serve())
        while not self.server.started and not serving.done():
            await asyncio.sleep(0.005)
        self.started.set()
        await serving

    @property
    def address(self) -> tuple[str, int] | str:
        return self.server.servers[0].sockets[0].getsockname()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.address[1]}"

    def peer(self, **options: Any) -> Peer:
        """A connection, closed with the server at the latest."""
        self.peers.append(Peer(self.address, **options))
        return self.peers[-1]

    def opened(self, *args: Any, timeout: float = 20.0, rcvbuf: int | None = None, **options: Any) -> Peer:
        """A connection whose handshake is made."""
        peer = self.peer(timeout=timeout, rcvbuf=rcvbuf)
        peer.open(*args, **options)
        return peer

    def warm(self) -> Served:
        """Make what is made at the first connection and stays with the server."""
        self.opened().send(close_frame()).frames()
        deadline = time.monotonic() + 20
        while self.call(lambda: len(self.server.server_state.connections)):
            assert time.monotonic() < deadline, "the connection stays"
        return self

    def heard(self, peer: Peer) -> None:
        """Wait until the server has read all that the peer sent."""
        port = peer.sock.getsockname()[1]

        def unread() -> int:
            for protocol in self.server.server_state.connections:
                sock = protocol.transport.get_extra_info("socket")
                if sock.getpeername()[1] == port:
                    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)
            return 0

        deadline = time.monotonic() + 20
        while fcntl.ioctl(peer.sock.fileno(), termios.TIOCOUTQ, bytes(4)) != bytes(4) or self.call(unread):
            assert time.monotonic() < deadline, "the server does not read"
            time.sleep(0.01)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in the server's loop."""

        async def run() -> Any:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)  # type: ignore[arg-type]

    @property
    def errors(self) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno >= logging.WARNING]

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        for peer in self.peers:
            peer.sock.close()
        assert not self.thread.is_alive(), "the server did not stop"


class Recorder(logging.Handler):
    """Keeps what one server logs: its loop runs in a thread of its own."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self.served = served

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.served.thread.ident:
            self.served.records.append(record)


@contextmanager
def serving(app: Any, loop: str = "uvloop", **settings: Any) -> Iterator[Served]:
    served = Served(app, loop, **settings)
    recorder = Recorder(served)
    logger = logging.getLogger("uvicorn")
    logger.addHandler(recorder)
    served.thread.start()
    served.started.wait(60)
    try:
        yield served
    finally:
        # Nobody looks any more: a server has not to wait for the answers of peers that a test has left.
        for peer in served.peers:
            peer.sock.close()
        served.stop()
        logger.removeHandler(recorder)
