"""A client of a test's server, and the awaitable that opens a connection. wirefast only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from wirefast.testing.errors import Refused
from wirefast.testing.peer import Peer
from wirefast.testing.requesting import Headers, pairs_of, target_of

if TYPE_CHECKING:
    import httpx2 as httpx

    from wirefast.testing.running import Live

__all__ = ["Acting", "Client", "Connecting"]

Acting = Mapping[Callable[..., Any], Any]


class Connecting:
    """The result of ``live.connect``. Use it in ``async with``, or ``await`` it and close the peer yourself."""

    def __init__(self, connect: Callable[[], Awaitable[Peer]]) -> None:
        self._connect = connect
        self._peer: Peer | None = None

    def __await__(self) -> Any:
        return self._connect().__await__()

    # Type checkers do not see these methods, so they refuse both wrong uses.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"live.connect() is not open yet, so it has no {name!r}: `async with live.connect(...) as peer`"
            )

        def __enter__(self) -> None:
            raise TypeError("live.connect() takes `async with`, not `with`")

        def __exit__(self, *_: object) -> None:
            """Exist, so that ``with`` calls ``__enter__``, whose error says what is missing."""

    async def opened(self) -> Peer:
        """Return the open peer."""
        return await self._connect()

    async def __aenter__(self) -> Peer:
        self._peer = await self._connect()
        return self._peer

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._peer is None:
            raise AssertionError
        await self._peer.leave(kind is not None)


class Client:
    """A client; ``live.client`` makes it.

    Args:
        live: the server.
        headers: the headers of each connection and request, as pairs.
        acting: the dependencies that have a value of their own for this client.
        name: the name of its peers.
    """

    def __init__(self, live: Live, headers: list[tuple[str, str]], acting: Acting | None, name: str | None) -> None:
        self._live = live
        self._headers = headers
        self._acting = {dependency: _gives(value) for dependency, value in (acting or {}).items()}
        self._name = name
        self._http: httpx.AsyncClient | None = None

    def connect(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Headers = (),
        subprotocols: Sequence[str] = (),
        compress: bool = False,
        name: str | None = None,
        within: float | None = None,
        keep: bool = False,
    ) -> Connecting:
        """Open a WebSocket. Use the result in ``async with``, or await it and close the peer yourself.

        Args:
            path: the path, with or without a query.
            params: parameters that are added to the query.
            headers: headers besides those of the client.
            subprotocols: the subprotocols that the peer offers, in order.
            compress: offer permessage-deflate (RFC 7692). The server agrees if its settings or the route allow it.
            name: the peer's name in transcripts and failures. Default: the path, numbered.
            within: the limit of each wait, in real seconds. Default: 2.
            keep: leave the socket open for the rest of the test. The server closes it, and it is no leak.

        Raises:
            Refused: the answer to the handshake is not 101.
            ConnectionLost: the handshake got no answer.
        """
        lines = [*self._headers, *pairs_of(headers)]
        if subprotocols:
            lines.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
        if compress:
            lines.append(("Sec-WebSocket-Extensions", "permessage-deflate"))
        target = target_of(path, params)
        return Connecting(lambda: self._live._connect(target, lines, self._acting, name or self._name, within, keep))

    async def ask(self, path: str, value: Any, wanted: Any = Any, **options: Any) -> Any:
        """Open a WebSocket for one question: connect, `Peer.ask`, close. `connect` has the same ``options``."""
        async with self.connect(path, **options) as peer:
            return await peer.ask(value, wanted)

    async def expect_refused(self, status: int, path: str, **options: Any) -> Refused:
        """Open a WebSocket that has to be refused. `connect` has the same arguments.

        Returns:
            The refusal.

        Raises:
            AssertionError: the socket is accepted, or refused with another status.
        """
        try:
            peer = await self.connect(path, **options)
        except Refused as exc:
            if exc.status != status:
                raise AssertionError(f"expected {path} to be refused with {status}, but it was with {exc}") from exc
            if status == 500:
                self._live.exceptions.know(self._live._last_port)
            return exc
        await peer.close()
        raise AssertionError(f"expected {path} to be refused with {status}, but it was accepted")

    @property
    def http(self) -> httpx.AsyncClient:
        """A client of httpx2 for this application, with the headers and the user of this client."""
        if self._http is None:
            self._http = self._live._make_http(self._headers, self._acting)
        return self._http


def _gives(value: Any) -> Callable[[], Any]:
    return lambda: value
