"""Log the addresses of an application's pages, for its developer."""

from __future__ import annotations

import logging
import socket
from typing import Any

__all__ = ["announce_pages"]

#: Attributes of an application, ours or FastAPI's, with the path of a page; and the name of the page.
PAGES = (("docs_url", "Try the requests"), ("asyncapi_docs_url", "Try the WebSockets"))
#: How many nested applications, such as middleware, are searched.
DEPTH = 32

logger = logging.getLogger("uvicorn.error")


def announce_pages(config: Any, sockets: Any) -> None:
    """Log a line for each page that the application serves.

    Args:
        config: the server's, loaded.
        sockets: the listening sockets; without one of TCP the pages have no address.
    """
    base = next((address for one in sockets if (address := _address(config, one))), None)
    app = getattr(config, "loaded_app", None)
    for _ in range(DEPTH):
        if app is None or any(hasattr(app, name) for name, _ in PAGES):
            break
        app = getattr(app, "app", None)
    if base is None:
        return
    for name, what in PAGES:
        path = getattr(app, name, None)
        # FastAPI serves no page without a document.
        if isinstance(path, str) and getattr(app, "openapi_url", None):
            logger.info("%s: %s%s", what, base, path)


def _address(config: Any, listener: socket.socket) -> str | None:
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if config.ssl else 'http'}://{host}:{port}"
