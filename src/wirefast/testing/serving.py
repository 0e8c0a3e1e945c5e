"""A server for one test, on the loop of the test: our protocols, over pairs in memory or on real sockets.

wirefast only.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import Any

from uvicorn.server import ServerState

from wirefast.server import HttpProtocol, WebSocketProtocol
from wirefast.server.config import Settings
from wirefast.server.serving import Server as DrainingServer
from wirefast.server.sockets.listening import SocketServer, can_serve
from wirefast.testing.clock import Clock
from wirefast.testing.wire import MemoryWire, Receiver, SocketWire, Wire

__all__ = ["DEFAULTS", "Server"]

#: The settings that differ from uvicorn's defaults, as under ``wirefast run``.
DEFAULTS: dict[str, Any] = {"ws_per_message_deflate": False, "timeout_graceful_shutdown": 30}
PROTOCOLS: dict[str, Any] = {"http": HttpProtocol, "ws": WebSocketProtocol}
#: The settings that are attributes of `Settings`, with their defaults.
OWN = {name: getattr(Settings, name) for name in Settings.__annotations__ if name != "serves"}
ADDRESS = ("127.0.0.1", 80)
_ports = itertools.count()


def next_port() -> int:
    """Return a port for a client in memory. No port comes twice among 20,000."""
    return 40000 + next(_ports) % 20000


class Unended:
    """A lifespan that does nothing when the server ends it."""

    async def shutdown(self) -> None:
        """Do nothing."""


class Server:
    """The connections of one application.

    Args:
        app: an ASGI application. This server does not run its lifespan.
        clock: the loop's clock.
        real: whether the connections use real sockets of the loopback.
        settings: settings of uvicorn's Config and of `wirefast.server.config.Settings`.
    """

    def __init__(self, app: Any, clock: Clock, real: bool, settings: dict[str, Any]) -> None:
        chosen: dict[str, Any] = {**PROTOCOLS, "access_log": False, **DEFAULTS, **settings}
        own = {name: chosen.pop(name, default) for name, default in OWN.items()}
        self.config = Settings(app, interface="asgi3", lifespan="off", log_config=None, **chosen)
        for name, value in own.items():
            setattr(self.config, name, value)
        self.config.load()
        self.clock = clock
        self.real = real
        self.state = ServerState()
        self.state.default_headers = self.config.encoded_headers
        #: The lifespan's state, for every scope.
        self.app_state: dict[str, Any] = {}
        self.closed = False
        self._listener: Any = None

    def make_protocol(self) -> HttpProtocol:
        """Return the protocol of a new connection."""
        kind: Any = self.config.http_protocol_class
        protocol: HttpProtocol = kind(config=self.config, server_state=self.state, app_state=self.app_state)
        return protocol

    async def start(self) -> None:
        """Serve from now on. With real sockets, listen."""
        self.config.serves = True
        if self.real:
            loop = asyncio.get_running_loop()
            if can_serve(self.config, loop):
                made = [socket.create_server(("127.0.0.1", 0))]
                self._listener = SocketServer(made, self.make_protocol, self.config.backlog)
            else:
                self._listener = await loop.create_server(self.make_protocol, "127.0.0.1", 0)

    @property
    def address(self) -> tuple[str, int]:
        """The address of the listening socket; in memory, the address that the application sees."""
        if self._listener is None:
            return ADDRESS
        host, port = self._listener.sockets[0].getsockname()[:2]
        return host, port

    async def open(self, receiver: Receiver) -> Wire:
        """Return a new connection.

        Raises:
            ConnectionRefusedError: the server is shut down.
        """
        if self.closed:
            raise ConnectionRefusedError("the server is shut down")
        if self.real:
            return await SocketWire.open(self.address, receiver, lambda: list(self.state.connections))
        return MemoryWire(self.make_protocol(), receiver, next_port(), ADDRESS)

    def protocols(self) -> list[Any]:
        """Return the server's ends of all connections."""
        return list(self.state.connections)

    async def shutdown(self) -> None:
        """Stop as on a SIGTERM: drain (`wirefast.server.drain`), then close the others. Keep the lifespan."""
        server = DrainingServer(self.config)
        server.server_state = self.state
        server.servers = [] if self._listener is None else [self._listener]
        server.lifespan = Unended()
        await server.shutdown()
        self.closed = True

    async def stop(self) -> None:
        """Stop listening. Connections stay."""
        self.closed = True
        if self._listener is not None:
            self._listener.close()
            self._listener = None
