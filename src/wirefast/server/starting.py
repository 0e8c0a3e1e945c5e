"""Answers before the application has started: probes, and 503 for the rest.

This runs only if the server has probes and its own port. Connections to a socket that another process keeps wait in
its queue, for a worker that has started or for the end of a restart.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from wirefast.server.drain import RETRY_AFTER, ClosingHttpProtocol
from wirefast.server.health import Probe
from wirefast.server.refused import Refused

__all__ = ["answering_early"]


async def unavailable(scope: Any, receive: Any, send: Any) -> None:
    """Answer 503 (ASGI 3)."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"9"), (b"retry-after", b"%d" % RETRY_AFTER)]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"starting\n"})


class StartingHttpProtocol(ClosingHttpProtocol):
    """Replaces the HTTP protocol until the application has started; each connection gets one response."""

    def application(self, head: Any) -> Any:
        """Return the application that answers a request."""
        found = super().application(head)
        return found if isinstance(found, Probe) else unavailable

    def upgrade(self, head: Any, rest: bytes) -> None:
        """Refuse a handshake."""
        raise Refused(503, "Service Unavailable", b"retry-after: %d\r\n" % RETRY_AFTER)


@asynccontextmanager
async def answering_early(config: Any, state: Any) -> AsyncIterator[list[socket.socket] | None]:
    """Listen and answer within the block; yields the sockets, which the server uses afterwards.

    Args:
        config: the server's, loaded.
        state: the server's.

    Yields:
        None if the address cannot be bound, which the server itself reports.
    """
    make = partial(StartingHttpProtocol, config=config, server_state=state, app_state={})
    try:
        early = await asyncio.get_running_loop().create_server(
            make, host=config.host, port=config.port, ssl=config.ssl, backlog=config.backlog
        )
    except OSError:
        yield None
        return
    sockets = [one.dup() for one in early.sockets]
    try:
        yield sockets
    except BaseException:
        for one in sockets:
            one.close()
        raise
    finally:
        early.close()
