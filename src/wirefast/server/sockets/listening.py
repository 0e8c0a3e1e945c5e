"""The sockets that ``wirefast run`` listens on, when the server itself reads and writes connections without TLS."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from wirefast.server.arrival import Reception
from wirefast.server.sockets.listener import Listener

__all__ = ["Listening", "SocketServer", "can_serve"]

logger = logging.getLogger("uvicorn.error")


def can_serve(config: Any, loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the server itself can read and write its connections.

    Args:
        config: the server's. With ``transport`` "loop", or with TLS, the loop reads and writes them.
        loop: asyncio's own loop that can watch a descriptor, or uvloop's. No other loop can.
    """
    if getattr(config, "transport", "loop") != "sockets" or config.is_ssl:
        return False
    return isinstance(loop, asyncio.SelectorEventLoop) or type(loop).__module__.partition(".")[0] == "uvloop"


class SocketServer:
    """Listening sockets, as an `asyncio.Server` shows them.

    Args:
        sockets: bound sockets, which may listen already. The server closes them at its own end.
        factory: returns the protocol of a new connection.
        backlog: connections that may wait at each socket.
    """

    def __init__(self, sockets: Sequence[socket.socket], factory: Callable[[], Any], backlog: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Listener] = []
        for one in sockets:
            one.listen(backlog)
            self._listeners.append(Listener(self._loop, one, factory))
        try:
            for listener in self._listeners:
                listener.start()
        except OSError:
            self.close()
            raise

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets that the server listens on; empty once the server is closed."""
        return tuple(listener.socket for listener in self._listeners)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether the server accepts connections."""
        return bool(self._listeners)

    def close(self) -> None:
        """Close the listening sockets. Open connections stay open."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    async def wait_closed(self) -> None:
        """Return at once: `close` leaves nothing to wait for."""


class Listening(uvicorn.Server):
    """A `uvicorn.Server` that accepts, reads and writes connections without TLS itself, if its Config says so."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the lifespan and listen."""
        loop = asyncio.get_running_loop()
        if not can_serve(self.config, loop):
            return await super().startup(sockets)
        await super().startup([])  # the lifespan alone
        self.started = False
        reception = Reception(self.config, self.server_state, self.lifespan.state, loop)
        try:
            listening = sockets if sockets is not None else bind(self.config)
            self.servers: list[Any] = [SocketServer(listening, reception, self.config.backlog)]
        except OSError as exc:
            logger.error(exc)
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)
        if sockets is None:
            self._log_started_message(listening)
        self.started = True


def bind(config: Any) -> list[socket.socket]:
    """Make the sockets that a configuration names by a descriptor, a Unix path, or a host and a port.

    Raises:
        OSError: a socket cannot be made; the text names the address.
    """
    if config.fd is not None:
        return [socket.socket(fileno=os.dup(config.fd))]
    if config.uds is not None:
        return [bind_unix(config.uds)]
    return bind_tcp(config.host, config.port)


def bind_unix(path: str) -> socket.socket:
    """Make a Unix socket at a path. The socket gets the permissions of the file that was there, else those for all."""
    mode = 0o666
    try:
        known = os.stat(path).st_mode
    except FileNotFoundError:
        pass
    else:
        mode = stat.S_IMODE(known)
        if stat.S_ISSOCK(known):
            os.remove(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(path)
        os.chmod(path, mode)
    except OSError as exc:
        made.close()
        raise OSError(exc.errno, f"cannot listen on {path!r}: {exc.strerror}") from None
    return made


def bind_tcp(host: str | None, port: int) -> list[socket.socket]:
    """Make a socket for each address of a host that this machine has."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    failure = OSError(f"cannot listen on {host!r}: it has no address")
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            one = socket.socket(family, kind, protocol)
        except OSError:
            continue  # the system does not have this address family
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
        except OSError as exc:
            one.close()
            failure = OSError(exc.errno, f"cannot listen on {address!r}: {(exc.strerror or '').lower()}")
            if exc.errno == errno.EADDRNOTAVAIL:
                continue  # a host name may have addresses of other machines
            for other in made:
                other.close()
            raise failure from None
        made.append(one)
    if not made:
        raise failure
    return made
