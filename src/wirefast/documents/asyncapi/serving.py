"""The routes of the AsyncAPI document and of its page.

The document is made, and the modules that make it are loaded, at the first request of one of these routes.
"""

from __future__ import annotations

import html
import re
from importlib.resources import files
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

__all__ = ["add_socket_routes"]

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


def add_socket_routes(app: Any) -> None:
    """Add the routes of the document and its page to an `App`, if their paths are set."""
    if not app.asyncapi_url:
        return
    served = _Served(app)
    routes: list[tuple[str, Any, str]] = [(app.asyncapi_url, served.document, "asyncapi")]
    if app.asyncapi_docs_url:
        routes.append((app.asyncapi_docs_url, served.page, "asyncapi_html"))
        routes.append((served.place + "/{file}", served.file, "asyncapi_assets"))
    for path, endpoint, name in routes:
        app.router.add_route(path, endpoint, name=name, include_in_schema=False)


#: The console runs only its own files, connects only to its own server, and no page may frame it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TYPES = {".js": "text/javascript", ".css": "text/css"}


def _console() -> Any:
    return files("wirefast.documents.console")


class _Served:
    """The endpoints of the document, whose bytes are kept, and of the console."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.place = (app.asyncapi_docs_url or "").rstrip("/") + "/console"
        # The last served document, and its bytes.
        self._document: dict[str, Any] | None = None
        self._bytes = b""

    async def document(self, request: Request) -> Response:
        app = self.app
        # A large document takes a second, so a thread makes it while the loop serves sockets. A replaced function of
        # the user runs in the loop.
        replaced = "asyncapi" in vars(app) or app.has_asyncapi()
        document = app.asyncapi() if replaced else await run_in_threadpool(app.asyncapi)
        if document is not self._document:
            self._document, self._bytes = document, bytes(JSONResponse(document).body)
        body = self._bytes
        if app.root_path_in_servers and not document.get("servers"):
            # The server is put behind the first brace of the kept bytes: a cache for each Host header could be filled
            # by clients.
            if server := _server_of(request):
                body = b'{"servers":' + bytes(JSONResponse({"this": server}).body) + b"," + body[1:]
        return Response(body, media_type="application/json")

    async def page(self, request: Request) -> Response:
        """Serve the page of the console, which loads the other files."""
        root = request.scope.get("root_path", "").rstrip("/")
        place = html.escape(root + self.place)
        return HTMLResponse(
            _PAGE.format(
                title=html.escape(self.app.asyncapi_title, quote=False),
                style=f"{place}/console.css",
                script=f"{place}/page.js",
                url=html.escape(root + self.app.asyncapi_url),
                root=html.escape(root),
            ),
            headers=_HEADERS,
        )

    async def file(self, request: Request) -> Response:
        """Serve one of the console's files."""
        name = request.path_params["file"]
        suffix = name[name.rfind(".") :]
        found = _console().joinpath(name)
        if suffix not in _TYPES or "/" in name or "\\" in name or not found.is_file():
            raise HTTPException(404)
        return Response(found.read_bytes(), media_type=_TYPES[suffix], headers=_HEADERS)


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Sockets</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
<script type="module" src="{script}"></script>
</head>
<body data-url="{url}" data-root="{root}">
<a class="skip" href="#channel">To the socket</a>
<header><h1 id="title">{title}</h1><p id="description"></p></header>
<div class="sides">
<nav aria-label="Sockets"><label for="filter">Find a socket</label> <input id="filter" type="search">
<ul id="channels"></ul></nav>
<main id="channel" tabindex="-1"><noscript>This page needs JavaScript.</noscript></main>
</div>
<footer><p id="status" role="status" aria-live="polite"></p></footer>
</body>
</html>
"""


def _server_of(request: Request) -> dict[str, str] | None:
    """Return the server that the request came to, as a Server object."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        return None
    server = {"host": host, "protocol": "wss" if request.url.scheme == "https" else "ws"}
    if root_path := request.scope.get("root_path", "").rstrip("/"):
        server["pathname"] = root_path
    return server
