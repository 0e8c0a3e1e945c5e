"""The web pages that may open a WebSocket. wirefast only; neither FastAPI nor Starlette has this middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core.gate import refuse
from wirefast.limits.origins import OriginPolicy, OriginRule

__all__ = ["WebSocketOriginMiddleware"]


class WebSocketOriginMiddleware:
    """Refuse handshakes of pages from other origins, before the application gets them.

    The same as ``App(origins=...)``, for any ASGI application. A page that is not on the list gets HTTP 403 with code
    1008, as from a rejected handshake; requests other than WebSockets pass.

    Args:
        app: the application.
        allow_origins: a list as for ``App(origins=...)``: origins (RFC 6454) such as ``"https://example.org"``,
            ``"https://*.example.org"``, ``"null"`` for pages without an origin, ``"*"`` for all pages with one,
            functions.
        allow_missing: whether a handshake without an ``Origin`` header passes. True by default: every browser sends
            the header, and other clients, which can send any header, do not act for a user who is logged in elsewhere.

    Raises:
        ValueError: an entry of ``allow_origins`` is no origin.
        TypeError: ``allow_origins`` is a single string, or an entry is neither a str nor a function.
    """

    def __init__(self, app: ASGIApp, allow_origins: Iterable[OriginRule], allow_missing: bool = True) -> None:
        if isinstance(allow_origins, str):
            raise TypeError(f"allow_origins must be a list of origins, not the string {allow_origins!r}")
        self.app = app
        self.allow_missing = allow_missing
        self._policy = OriginPolicy(allow_origins, setting="WebSocketOriginMiddleware(allow_origins=[...])")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            sent = tuple(value for name, value in scope["headers"] if name == b"origin")
            if not sent:
                allowed: bool | Awaitable[bool] = self.allow_missing
            else:
                allowed = self._policy.judge(scope, sent)
                if not isinstance(allowed, bool):
                    allowed = await allowed
            if not allowed:
                if sent:
                    self._policy.refused(scope, sent)
                await refuse(scope, receive, send)
                return
        await self.app(scope, receive, send)
