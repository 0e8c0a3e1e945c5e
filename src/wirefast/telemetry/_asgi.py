"""FastAPI's private name for the layer around an application with telemetry; ours is ``connections.Telemetry``."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast.telemetry.connections import ExceptionNotes as ExceptionTelemetryMiddleware
from wirefast.telemetry.connections import Telemetry

__all__ = ["ExceptionTelemetryMiddleware", "NativeTelemetry"]


class NativeTelemetry:
    """Records the connections of an application. FastAPI's class of this name.

    Args:
        config: the complete configuration of an application.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._recording: Telemetry | None = None

    async def __call__(self, *, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3) by ``app``."""
        if self._recording is None or self._recording.app != app:
            self._recording = Telemetry(app, self.config)
        await self._recording(scope, receive, send)
