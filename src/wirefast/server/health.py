"""Probes, which the server answers without the application: whether the process is alive, and whether it is ready."""

from __future__ import annotations

from typing import Any

from wirefast._core.readiness import passes_checks
from wirefast.server.http import HttpProtocol

__all__ = ["HealthHttpProtocol", "is_ready"]


async def is_ready(config: Any) -> bool:
    """Whether a server has started and does not drain, and all checks of the application pass."""
    return bool(getattr(config, "serves", False)) and await passes_checks()


class Probe:
    """An application that answers one probe.

    Args:
        config: the server's.
        readiness: whether the probe is for readiness; otherwise it is for liveness.
    """

    def __init__(self, config: Any, readiness: bool) -> None:
        self.config = config
        self.readiness = readiness

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer (ASGI 3)."""
        good = not self.readiness or await is_ready(self.config)
        body = b"not ready\n" if not good else b"ready\n" if self.readiness else b"alive\n"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": 200 if good else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})


class HealthHttpProtocol(HttpProtocol):
    """`HttpProtocol` that answers ``config.health_path`` and ``config.ready_path`` by itself."""

    def application(self, head: Any) -> Any:
        """Return the application that answers a request."""
        if head.method in (b"GET", b"HEAD"):
            path = head.path.decode("ascii")
            if path == self.config.health_path:
                return Probe(self.config, readiness=False)
            if path == self.config.ready_path:
                return Probe(self.config, readiness=True)
        return super().application(head)
