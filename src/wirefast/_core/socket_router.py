"""The interface of a router for the core: the only call from the core to a package above it."""

from __future__ import annotations

from typing import Protocol

from starlette.types import ASGIApp, Scope

__all__ = ["SocketRouter"]


class SocketRouter(Protocol):
    """A router that chooses routes by itself, such as `APIRouter`; `WebSocketPipeline` calls it."""

    def select_websocket(self, scope: Scope) -> ASGIApp:
        """Return the application of the first route that matches a WebSocket scope, and note the match in the scope."""
