"""The routes of the AsyncAPI document and of its page.

Nothing of a document is made, and none of the modules that make it is loaded, before one of these is asked for.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["add_socket_routes"]

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


def add_socket_routes(app: Any) -> None:
    """Add the routes of the document and its page to an `App`, as far as their addresses are set."""
    if not app.asyncapi_url:
        return
    served = _Served(app)
    app.router.add_route(app.asyncapi_url, served.document, name="asyncapi", include_in_schema=False)


class _Served:
    """The endpoint of the document, which is kept as bytes."""

    def __init__(self, app: Any) -> None:
        self.app = app
        # The document that was served last, and its bytes.
        self._document: dict[str, Any] | None = None
        self._bytes = b""

    async def document(self, request: Request) -> Response:
        app = self.app
        # Making a large document takes a second, in which sockets want to be served; a replaced function is the user's.
        replaced = "asyncapi" in vars(app) or app.has_asyncapi()
        document = app.asyncapi() if replaced else await run_in_threadpool(app.asyncapi)
        if document is not self._document:
            self._document, self._bytes = document, bytes(JSONResponse(document).body)
        body = self._bytes
        if app.root_path_in_servers and not document.get("servers"):
            # Between the first brace and the rest, so that no client can fill a cache by its Host header.
            if server := _server_of(request):
                body = b'{"servers":' + bytes(JSONResponse({"this": server}).body) + b"," + body[1:]
        return Response(body, media_type="application/json")


def _server_of(request: Request) -> dict[str, str] | None:
    """Return the server that the request came to, as a Server object."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        return None
    server = {"host": host, "protocol": "wss" if request.url.scheme == "https" else "ws"}
    if root_path := request.scope.get("root_path", "").rstrip("/"):
        server["pathname"] = root_path
    return server
