"""What ``wirefast run`` listens on, with plain connections read and written by ourselves."""

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
    """Whether a server's connections are ours to read and write.

    Args:
        config: the server's; ``transport`` "loop", or TLS, leaves them to the loop.
        loop: asyncio's own, that can watch a descriptor, or uvloop's.
    """
    if getattr(config, "transport", "loop") != "sockets" or config.is_ssl:
        return False
    return isinstance(loop, asyncio.SelectorEventLoop) or type(loop).__module__.partition(".")[0] == "uvloop"


class SocketServer:
    """Listening sockets, as an `asyncio.Server` shows them.

    Args:
        sockets: bound, not yet listening or already; closed with the server.
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
        """What it listens on; nothing once it is closed."""
        return tuple(listener.socket for listener in self._listeners)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return bool(self._listeners)

    def close(self) -> None:
        """Accept no more, and close the sockets; connections stay."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    async def wait_closed(self) -> None:
        """Return at once: what is closed is closed."""


class Listening(uvicorn.Server):
    """`uvicorn.Server` that accepts, reads and writes plain connections by itself where its Config says so."""

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
    """Make the sockets that a configuration names: of a descriptor, a Unix path, or a host and port.

    Raises:
        OSError: with the address in its text.
    """
    if config.fd is not None:
        return [socket.socket(fileno=os.dup(config.fd))]
    if config.uds is not None:
        return [bind_unix(config.uds)]
    return bind_tcp(config.host, config.port)


def bind_unix(path: str) -> socket.socket:
    """Make a Unix socket at a path that anybody may connect to, or whom the one allowed that was there before."""
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
            continue  # the system has no such family
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
        except OSError as exc:
            one.close()
            failure = OSError(exc.errno, f"cannot listen on {address!r}: {(exc.strerror or '').lower()}")
            if exc.errno == errno.EADDRNOTAVAIL:
                continue  # a name may have addresses that are not this machine's
            for other in made:
                other.close()
            raise failure from None
        made.append(one)
    if not made:
        raise failure
    return made
