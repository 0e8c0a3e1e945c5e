"""What the core asks of a router: the one call that goes up."""

from __future__ import annotations

from typing import Protocol

from starlette.types import ASGIApp, Scope

__all__ = ["SocketRouter"]


class SocketRouter(Protocol):
    """A router that chooses by itself, such as `APIRouter`; `WebSocketPipeline` has one."""

    def select_websocket(self, scope: Scope) -> ASGIApp:
        """Return the application of the first route that matches a WebSocket scope, and note the match in the scope."""
