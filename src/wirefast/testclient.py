"""Starlette's `TestClient` with its WebSocket sessions and their exceptions; the import needs httpx2.

`TestClient(app, wire=True)` shows refusals and ends as a client of our server sees them; the rest is Starlette's.
`wirefast.testing` is the kit that tests over the server itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import starlette.testclient
from starlette.testclient import WebSocketDenialResponse as WebSocketDenialResponse
from starlette.testclient import WebSocketTestSession as WebSocketTestSession

from wirefast._core.close import ABNORMAL
from wirefast.as_wire import AsOnTheWire

__all__ = ["TestClient"]


class TestClient(starlette.testclient.TestClient):
    """Starlette's TestClient, FastAPI's ``testclient.TestClient``, with one more option.

    Args:
        app: an ASGI application.
        base_url, raise_server_exceptions, root_path, backend, backend_options, cookies, headers, follow_redirects,
            client: Starlette's.
        wire: show of a WebSocket what a client of our server sees. A handshake that is refused by a close code raises
            `WebSocketDenialResponse` with status 403, the body that the server writes, and ``code`` 1006, since a
            refused handshake has no close code on the wire. A handler that returns ends the socket with 1000, a handler
            that raises with 1011; a handler that returns without an answer refuses with 500. Reasons are cut at 123
            bytes, and a code that no close frame may carry is a ValueError. Default: as in Starlette.
    """

    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: Literal["asyncio", "trio"] = "asyncio",
        backend_options: dict[str, Any] | None = None,
        cookies: Any = None,
        headers: dict[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
        *,
        wire: bool = False,
    ) -> None:
        super().__init__(
            AsOnTheWire(app) if wire else app,
            base_url=base_url,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            backend=backend,
            backend_options=backend_options,
            cookies=cookies,
            headers=headers,
            follow_redirects=follow_redirects,
            client=client,
        )
        self._wire = wire
        if wire:
            self.app = app

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **kwargs: Any
    ) -> WebSocketTestSession:
        """Open a WebSocket at ``url``, offering ``subprotocols``; Starlette's method."""
        session: WebSocketTestSession = super().websocket_connect(url, subprotocols, **kwargs)
        if self._wire:
            session.__class__ = WireSession
        return session


class WireSession(WebSocketTestSession):
    """A session whose refusals have the code that a client of our server sees."""

    def _raise_on_close(self, message: Any) -> None:
        try:
            super()._raise_on_close(message)
        except WebSocketDenialResponse as exc:
            exc.code, exc.reason = ABNORMAL, ""
            raise
