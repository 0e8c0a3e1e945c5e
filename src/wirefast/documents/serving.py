"""The routes of an application's document: the document itself, the pages that show it, and the files of the pages.

The document is made, and the modules that make it are loaded, at the first request of one of these routes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import WebSocketRoute

from wirefast.documents import pages
from wirefast.documents.assets import find_assets, wants_assets
from wirefast.routes.inclusion import iter_route_contexts

__all__ = ["MAX_ROOT_PATHS", "add_routes"]

#: The bytes of a document are kept for so many root paths, which a proxy may choose.
MAX_ROOT_PATHS = 4


def add_routes(app: Any) -> None:
    """Add the routes of the document and its pages to an `App`, if their paths are set."""
    if not app.openapi_url:
        return
    served = _Served(app)
    routes = [(app.openapi_url, served.document, "openapi")]
    if app.docs_url:
        routes.append((app.docs_url, served.swagger_ui, "swagger_ui_html"))
        if app.swagger_ui_oauth2_redirect_url:
            routes.append((app.swagger_ui_oauth2_redirect_url, served.oauth2_redirect, "swagger_ui_redirect"))
    if app.redoc_url:
        routes.append((app.redoc_url, served.redoc, "redoc_html"))
    files = find_assets() if wants_assets() else None
    if files is not None and (app.docs_url or app.redoc_url):
        served.files = files
        routes.append((served.place + "/{file}", served.file, "docs_assets"))
    for path, endpoint, name in routes:
        app.router.add_route(path, endpoint, name=name, include_in_schema=False)


class _Served:
    """The endpoints. With ``files`` every page works offline, and no page has a script or style inside."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.files: dict[str, Path] | None = None
        self.place = (app.docs_url or app.redoc_url or "").rstrip("/") + "/docs-assets"
        # The last served document, and its bytes by root path.
        self._document: dict[str, Any] | None = None
        self._bytes: dict[str, bytes] = {}

    async def document(self, request: Request) -> Response:
        app = self.app
        # A large document takes a second, so a thread makes it while the loop serves sockets. A replaced function of
        # the user runs in the loop.
        replaced = "openapi" in vars(app) or app.has_document()
        document = app.openapi() if replaced else await run_in_threadpool(app.openapi)
        return Response(
            self._encoded(document, _root_path(request) if app.root_path_in_servers else ""),
            media_type="application/json",
        )

    def _encoded(self, document: dict[str, Any], root_path: str) -> bytes:
        if document is not self._document:
            self._document, self._bytes = document, {}
        body = self._bytes.get(root_path)
        if body is None:
            servers = document.get("servers", [])
            if root_path and root_path not in {server.get("url") for server in servers}:
                document = {**document, "servers": [{"url": root_path}, *servers]}
            if len(self._bytes) >= MAX_ROOT_PATHS:
                self._bytes.clear()
            body = self._bytes[root_path] = bytes(JSONResponse(document).body)
        return body

    async def swagger_ui(self, request: Request) -> HTMLResponse:
        title = f"{self.app.title} - Swagger UI"
        replaced = _replaced("get_swagger_ui_html")
        if replaced or self.files is None:
            make = replaced or pages.get_swagger_ui_html
            page = make(
                openapi_url=_root_path(request) + self.app.openapi_url,
                title=title,
                oauth2_redirect_url=self._oauth2_redirect_url(request),
                init_oauth=self.app.swagger_ui_init_oauth,
                swagger_ui_parameters=self.app.swagger_ui_parameters,
            )
            return page if replaced else self._with_link(request, page)
        start = pages.script_element(self._url(request, "swagger-initializer.js"))
        script, style = self._url(request, "swagger-ui-bundle.js"), self._url(request, "swagger-ui.css")
        page = pages.swagger_page(title, script, style, self._url(request, "favicon.png"), start)
        return self._with_link(request, page)

    async def oauth2_redirect(self, request: Request) -> HTMLResponse:
        replaced = _replaced("get_swagger_ui_oauth2_redirect_html")
        if replaced or self.files is None:
            return (replaced or pages.get_swagger_ui_oauth2_redirect_html)()
        return pages.oauth2_redirect_page(pages.script_element(self._url(request, "oauth2-redirect.js")))

    async def redoc(self, request: Request) -> HTMLResponse:
        openapi_url, title = _root_path(request) + self.app.openapi_url, f"{self.app.title} - ReDoc"
        if replaced := _replaced("get_redoc_html"):
            page: HTMLResponse = replaced(openapi_url=openapi_url, title=title)
            return page
        if self.files is None:
            return self._with_link(request, pages.get_redoc_html(openapi_url=openapi_url, title=title))
        style = pages.style_element(self._url(request, "redoc.css"))
        script, icon = self._url(request, "redoc.standalone.js"), self._url(request, "favicon.png")
        return self._with_link(request, pages.redoc_page(openapi_url, title, script, icon, style))

    def _with_link(self, request: Request, page: HTMLResponse) -> HTMLResponse:
        """Return a page with a link to the console of the application's sockets, if it has both."""
        path, routes = self.app.asyncapi_docs_url, self.app.router.routes
        if not path or not any(getattr(route, "path", None) == path for route in routes):
            return page
        if not any(isinstance(found.route, WebSocketRoute) for found in iter_route_contexts(routes)):
            return page
        return pages.with_link(page, _root_path(request) + path, "Sockets")

    async def file(self, request: Request) -> Response:
        """Serve a file of the package, or a script or style that a page otherwise has inside."""
        if self.files is None:
            raise AssertionError
        name = request.path_params["file"]
        if name in self.files:
            return FileResponse(self.files[name])
        if name == "swagger-initializer.js":
            script = pages.swagger_script(
                _root_path(request) + self.app.openapi_url,
                self._oauth2_redirect_url(request),
                self.app.swagger_ui_init_oauth,
                self.app.swagger_ui_parameters,
            )
            return Response(script, media_type="text/javascript")
        if name == "oauth2-redirect.js":
            return Response(pages.OAUTH2_REDIRECT_SCRIPT, media_type="text/javascript")
        if name == "redoc.css":
            return Response(pages.REDOC_STYLE, media_type="text/css")
        raise HTTPException(404)

    def _oauth2_redirect_url(self, request: Request) -> str | None:
        path = self.app.swagger_ui_oauth2_redirect_url
        return _root_path(request) + path if path else None

    def _url(self, request: Request, name: str) -> str:
        return f"{_root_path(request)}{self.place}/{name}"


def _replaced(name: str) -> Any:
    """Return a program's replacement of a page's function in ``applications``; None without one.

    Programs replace these functions so that the pages load their files from elsewhere.
    """
    found = getattr(sys.modules["wirefast.applications"], name)
    return None if found is getattr(pages, name) else found


def _root_path(request: Request) -> str:
    root_path: str = request.scope.get("root_path", "")
    return root_path.rstrip("/")
