"""HTTP to a server of a test: httpx2's client, or httpx's, over the server's own connections. wirefast only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from wirefast.extras import how_to_install
from wirefast.testing.serving import Server
from wirefast.testing.wire import Wire

if TYPE_CHECKING:
    import httpcore2 as httpcore
    import httpx2 as httpx
else:
    try:
        import httpcore2 as httpcore
        import httpx2 as httpx
    except ModuleNotFoundError:
        try:
            import httpcore
            import httpx
        except ModuleNotFoundError:
            raise RuntimeError(f"HTTP of a test needs httpx2: {how_to_install('testing')}") from None

__all__ = ["make_client"]


class Stream(httpcore.AsyncNetworkStream):
    """One connection, as httpcore reads and writes it."""

    def __init__(self, server: Server, opened: Callable[[int], object]) -> None:
        self._server = server
        self._opened = opened
        self._wire: Wire | None = None
        self._buffer = bytearray()
        self._over = False
        self._arrived = asyncio.Event()

    async def connect(self) -> Stream:
        """Open the connection."""
        try:
            self._wire = await self._server.open(self)
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        self._opened(self._wire.port)
        return self

    # ---- The wire's side ----

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        self._buffer += data
        self._arrived.set()

    def ended(self, lost: bool) -> None:
        """Note that the stream has ended."""
        self._over = True
        self._arrived.set()

    # ---- Httpcore's side ----

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next bytes; none at the end."""
        clock = self._server.clock
        await clock.arrived()
        until = None if timeout is None else clock.real_time() + timeout
        while not self._buffer and not self._over:
            left = None if until is None else until - clock.real_time()
            if left is not None and left <= 0:
                raise httpcore.ReadTimeout
            timer = None if left is None else clock.real_call_later(left, self._arrived.set)
            try:
                await self._arrived.wait()
            finally:
                if timer is not None:
                    timer.cancel()
            self._arrived.clear()
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        await self._server.clock.arrived()
        if self._over:
            raise httpcore.WriteError("the connection has ended")
        if self._wire is None:
            raise AssertionError
        self._wire.write(buffer)
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        """End the connection."""
        if self._wire is None:
            raise AssertionError
        self._wire.close()
        await asyncio.sleep(0)

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        """Refuse TLS, which a server of a test does not have."""
        raise httpcore.ConnectError("a server of a test speaks no TLS; use http://")

    def get_extra_info(self, info: str) -> Any:
        """Return ``client_addr``, or whether the connection has ended."""
        if info == "is_readable":
            return self._over or bool(self._buffer)
        if info == "client_addr" and self._wire is not None:
            return "127.0.0.1", self._wire.port
        return None


class Backend(httpcore.AsyncNetworkBackend):
    """Connects to the server of the test, for every host."""

    def __init__(self, server: Server, opened: Callable[[int], object]) -> None:
        self._server = server
        self._opened = opened

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection."""
        return await Stream(self._server, self._opened).connect()

    async def sleep(self, seconds: float) -> None:
        """Sleep between two tries."""
        await self._server.clock.real_sleep(seconds)


class Body(httpx.AsyncByteStream):
    """The body of a response, in the pieces that come."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> Any:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        """Close the response."""
        await self._stream.aclose()


class Transport(httpx.AsyncBaseTransport):
    """httpx's transport over the server's connections, which are kept alive between requests."""

    def __init__(self, server: Server, opened: Callable[[int], object]) -> None:
        self._pool = httpcore.AsyncConnectionPool(network_backend=Backend(server, opened), keepalive_expiry=5.0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response before its body has come."""
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        wanted = httpcore.Request(
            method=request.method,
            url=target,
            headers=request.headers.raw,
            content=request.stream if isinstance(request.stream, AsyncIterable) else None,
            extensions=request.extensions,
        )
        try:
            found = await self._pool.handle_async_request(wanted)
        except httpcore.ConnectError as exc:
            raise httpx.ConnectError(str(exc), request=request) from exc
        except httpcore.TimeoutException as exc:
            raise httpx.ReadTimeout("the server has not answered in time", request=request) from exc
        except (httpcore.NetworkError, httpcore.ProtocolError) as exc:
            raise httpx.RemoteProtocolError(str(exc), request=request) from exc
        return httpx.Response(
            found.status, headers=found.headers, stream=Body(found.stream), extensions=found.extensions
        )

    async def aclose(self) -> None:
        """End all connections."""
        await self._pool.aclose()


def make_client(server: Server, opened: Callable[[int], object], **options: Any) -> httpx.AsyncClient:
    """Return a client whose every request goes to the server of the test.

    Args:
        server: the server.
        opened: called with the port of each connection.
        options: options of ``httpx2.AsyncClient``.
    """
    return httpx.AsyncClient(transport=Transport(server, opened), base_url="http://testserver", **options)
