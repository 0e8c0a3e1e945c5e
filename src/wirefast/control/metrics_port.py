"""``--metrics-port``: a small HTTP server beside that of the service, only for metrics and probes.

It answers ``GET /metrics``, ``/healthz`` and ``/readyz``, one request for each connection, even while the service
starts.
"""

from __future__ import annotations

import asyncio
from typing import Any

from wirefast.metrics.exposition import render

__all__ = ["MetricsPort"]

#: Bytes of a request's head, seconds for it, and seconds that a client has to read the answer.
HEAD_MAX = 8192
HEAD_SECONDS = 5.0
#: Connections at the same time.
CONNECTIONS_MAX = 64


class MetricsPort:
    """Answer scrapes.

    Args:
        service: its `wirefast.control.service.Service`.
        host, port: to listen on.
    """

    def __init__(self, service: Any, host: str, port: int) -> None:
        self.service = service
        self.address = (host, port)
        self.open = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken.
        """
        self._server = await asyncio.start_server(self._serve, *self.address, limit=HEAD_MAX)

    @property
    def port(self) -> int:
        """The port of the server."""
        if self._server is None:
            raise AssertionError
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        # So that drain() waits until the client has all of it.
        writer.transport.set_write_buffer_limits(0)
        try:
            if self.open <= CONNECTIONS_MAX:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
                status, body, content_type = await self.answer(head)
                writer.write(
                    f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
                    "connection: close\r\n\r\n".encode()
                    + body
                )
                await asyncio.wait_for(writer.drain(), HEAD_SECONDS)
        except asyncio.TimeoutError:
            # close() would wait for a client that does not read, and hold the answer for it.
            writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def answer(self, head: bytes) -> tuple[str, bytes, str]:
        """Return status line, body and content type for a request's head."""
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or words[0] not in ("GET", "HEAD"):
            return "405 Method Not Allowed", b"", "text/plain"
        path = words[1].partition("?")[0]
        if path == "/metrics":
            accept = next((line.partition(":")[2] for line in lines if line.lower().startswith("accept:")), None)
            body, content_type = render(await self.service.snapshot(), accept)
            return "200 OK", body, content_type
        if path == "/healthz":
            return "200 OK", b"alive\n", "text/plain"
        if path == "/readyz":
            ready = await self.service.ready()
            return (
                ("200 OK", b"ready\n", "text/plain")
                if ready
                else ("503 Service Unavailable", b"not ready\n", "text/plain")
            )
        return "404 Not Found", b"", "text/plain"
