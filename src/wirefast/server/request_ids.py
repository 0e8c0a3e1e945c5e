"""``--request-id``: an id for each request and socket, in the response, in the scope and in the log."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

__all__ = ["KEY", "RequestIds", "as_header", "current", "with_request_ids"]

#: The key of the id in the scope.
KEY = "wirefast.request_id"
#: The form of a client's id: other characters could forge lines of a log.
ACCEPTED = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

#: The id of the request or socket of the current task; None outside of one.
current: ContextVar[str | None] = ContextVar("wirefast_request_id", default=None)


def request_id(scope: Any) -> str:
    """Return the client's ``X-Request-ID`` if it is well formed, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and ACCEPTED.fullmatch(value):
            return str(value, "ascii")
    return uuid.uuid4().hex


def as_header(scope: Any) -> list[tuple[bytes, bytes]]:
    """Return the response header with the id of a connection; empty before it has an id."""
    found = None if scope is None else scope.get(KEY)
    return [] if found is None else [(b"x-request-id", found.encode())]


class RequestIds:
    """An application whose connections have ids.

    Args:
        app: the application below.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Serve one connection (ASGI 3)."""
        if scope["type"] == "websocket":
            scope[KEY] = request_id(scope)
            return self._socket(scope, receive, send)
        if scope["type"] == "http":
            scope[KEY] = request_id(scope)
            return self._request(scope, receive, send)
        return self.app(scope, receive, send)  # type: ignore[no-any-return]

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        current.set(scope[KEY])
        if "wirefast" not in scope.get("extensions", ()):  # otherwise `IdentifiedWebSocketProtocol` adds it
            send = _saying(as_header(scope), send)
        await self.app(scope, receive, send)

    async def _request(self, scope: Any, receive: Any, send: Any) -> None:
        current.set(scope[KEY])
        await self.app(scope, receive, _saying(as_header(scope), send))


def _saying(more: list[tuple[bytes, bytes]], send: Any) -> Any:
    """Return a send that adds headers to the first answer."""

    async def answer(message: Any) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return answer


def with_request_ids(app: Any) -> Any:
    """Return an application with ids; uvicorn's ProxyHeadersMiddleware stays outside of it."""
    if type(app) is ProxyHeadersMiddleware:
        app.app = RequestIds(app.app)
        return app
    return RequestIds(app)
