"""Which web pages may open a WebSocket here. wirefast only; neither FastAPI nor Starlette has it."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core.close import ORIGIN_NOT_ALLOWED, POLICY_VIOLATION

__all__ = ["WebSocketOriginMiddleware"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class WebSocketOriginMiddleware:
    """Refuse handshakes of pages from other origins, before the application sees them.

    A browser sends its cookies with any page's WebSocket handshake and asks no permission: the same-origin policy and
    ``CORSMiddleware`` do not apply to them (RFC 6455, section 10.2). A page that is not on the list gets HTTP 403 with
    code 1008, as from a rejected handshake; requests other than WebSockets pass.

    Args:
        app: the application.
        allow_origins: origins (RFC 6454) such as ``"https://example.org"``, with the port where it is not the scheme's
            own. ``"null"`` stands for pages without one, ``"*"`` for all.
        allow_missing: whether a handshake without an ``Origin`` header passes. True by default: every browser sends
            it, and other clients, which could send anything, do not act for a user who is logged in elsewhere.

    Raises:
        ValueError: an entry of ``allow_origins`` is no origin.
        TypeError: ``allow_origins`` is a single string.
    """

    def __init__(self, app: ASGIApp, allow_origins: Iterable[str], allow_missing: bool = True) -> None:
        if isinstance(allow_origins, str):
            raise TypeError(f"allow_origins must be a list of origins, not the string {allow_origins!r}")
        self.app = app
        self.allow_missing = allow_missing
        self._allowed = {origin if origin in ("*", "null") else _normal(origin) for origin in allow_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not self._allows(scope):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ORIGIN_NOT_ALLOWED})
            return
        await self.app(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if not origins:
            return self.allow_missing
        if "*" in self._allowed:
            return True
        if len(origins) > 1:
            return False
        origin = origins[0].decode("latin-1")
        if origin == "null":
            return "null" in self._allowed
        try:
            return _normal(origin) in self._allowed
        except ValueError:
            return False


def _normal(origin: str) -> str:
    """Return the origin in lower case, without its scheme's own port."""
    parts = urlsplit(origin)
    # The host as urlsplit has it, to be compared with the text: anything else in there is no origin.
    if not parts.hostname or origin.lower() != f"{parts.scheme}://{parts.netloc.lower()}" or "@" in parts.netloc:
        raise ValueError(f"{origin!r} is no origin; expected scheme://host or scheme://host:port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    return (
        f"{parts.scheme}://{host}"
        if port in (None, _DEFAULT_PORTS.get(parts.scheme))
        else f"{parts.scheme}://{host}:{port}"
    )
