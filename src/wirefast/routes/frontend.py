"""Built frontends: directories of files, served if no route of the application matches. FastAPI's ``frontend()``.

A router keeps its frontends in one `FrontendRoutes`, which an include copies under its prefix. Among all frontends that
match a path, the longest prefix wins, and a frontend that allows the method wins over one that does not.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal

from starlette.datastructures import URL, Headers, URLPath
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast import params
from wirefast._core import scope as keys
from wirefast._core.dispatch import update_scope
from wirefast._core.foreign import get_route_path
from wirefast.concurrency import run_in_threadpool
from wirefast.limits.bodies import limit_included
from wirefast.routes.http import APIRoute
from wirefast.routes.include_context import Includable, RouterIncludeContext
from wirefast.staticfiles import StaticFiles

__all__ = ["Fallback", "FrontendRoutes", "check_directory", "first_match"]

Fallback = Literal["auto", "index.html", "404.html"] | None
PathName = str | os.PathLike[str]

_METHODS = ("GET", "HEAD")
_PAGES = ("text/html", "application/xhtml+xml")
# The keys that a match writes into the scope for handle(): the path below the frontend, and the length of its prefix.
_PLACE = keys.SHARED


def check_directory(directory: PathName, check_dir: bool | Literal["auto"], *, stacklevel: int = 3) -> bool:
    """Return whether the directory must exist: for ``"auto"``, unless ``FASTAPI_ENV`` is ``development``.

    Warns:
        UserWarning: in development the directory may be missing, and it is.
    """
    if check_dir != "auto":
        return check_dir
    if os.environ.get("FASTAPI_ENV") != "development":
        return True
    if not os.path.isdir(directory):
        warnings.warn(_missing(directory), UserWarning, stacklevel=stacklevel)
    return False


def _missing(directory: PathName) -> str:
    return f"Frontend directory '{directory}' does not exist. It was looked for as '{os.path.realpath(directory)}'."


class FrontendFiles(StaticFiles):
    """The files of one frontend, and the answer for a file that does not exist.

    Args:
        directory: the root; links out of the directory are not followed.
        fallback: ``"index.html"`` for navigation (status 200), ``"404.html"`` for everything (404), ``"auto"`` for
            the second if the directory has one, else the first; None for a plain 404.
        check_dir: refuse a directory, or a named fallback, that does not exist.

    Raises:
        RuntimeError: the directory or the fallback does not exist.
    """

    def __init__(self, *, directory: PathName, fallback: Fallback, check_dir: bool) -> None:
        if check_dir and not os.path.isdir(directory):
            raise RuntimeError(_missing(directory))
        super().__init__(directory=directory, html=True, check_dir=check_dir)
        self.fallback = fallback
        if check_dir and fallback in ("index.html", "404.html") and not _is_file(self.lookup_path(fallback)[1]):
            raise RuntimeError(self._no_fallback(fallback))

    def get_path(self, scope: Scope) -> str:
        path: str = scope[_PLACE]["frontend_path"]
        return os.path.normpath(os.path.join(*path.split("/")))

    async def respond(self, scope: Scope) -> Response:
        """Return the response to a request that a frontend route matched."""
        if not self.config_checked:
            await self.check_config()
            self.config_checked = True
        return await self.get_response(self.get_path(scope), scope)

    async def get_response(self, path: str, scope: Scope) -> Response:
        found = await self._find(path)
        if scope["method"] not in _METHODS:
            raise HTTPException(404 if found is None else 405)
        if found is not None:
            full_path, file_stat, is_index = found
            if is_index and not scope["path"].endswith("/"):
                url = URL(scope=scope)
                return RedirectResponse(url.replace(path=f"{url.path}/"))
            return self.file_response(full_path, file_stat, scope)
        for name, status in (("404.html", 404), ("index.html", 200)):
            if self.fallback not in (name, "auto") or (status == 200 and not _is_navigation(scope)):
                continue
            full_path, page = await run_in_threadpool(self.lookup_path, name)
            if page is not None and _is_file(page):
                return self.file_response(full_path, page, scope, status_code=status)
            if self.fallback == name:
                raise RuntimeError(self._no_fallback(name))
        raise HTTPException(404)

    async def _find(self, path: str) -> tuple[str, os.stat_result, bool] | None:
        """Return a regular file, and whether it is the index of the requested directory."""
        full_path, found = await self._look_up(path)
        is_directory = found is not None and stat.S_ISDIR(found.st_mode)
        if is_directory:
            full_path, found = await self._look_up(os.path.join(path, "index.html"))
        return (full_path, found, is_directory) if found is not None and _is_file(found) else None

    async def _look_up(self, path: str) -> tuple[str, os.stat_result | None]:
        try:
            return await run_in_threadpool(self.lookup_path, path)
        except PermissionError:
            raise HTTPException(401) from None
        except (OSError, ValueError) as exc:  # ValueError: a null byte
            if isinstance(exc, OSError) and exc.errno != errno.ENAMETOOLONG:
                raise
            raise HTTPException(404) from None

    def _no_fallback(self, name: str) -> str:
        if self.directory is None:
            raise AssertionError
        where = f"'{self.directory}', which was looked for as '{os.path.realpath(self.directory)}'"
        return f"Frontend fallback file '{name}' does not exist in directory {where}."


def _is_file(found: os.stat_result | None) -> bool:
    return found is not None and stat.S_ISREG(found.st_mode)


def _is_navigation(scope: Scope) -> bool:
    """Return whether a browser asks for a page: Accept has HTML with a quality above 0 (RFC 9110, section 12.5.1)."""
    for part in Headers(scope=scope).get("accept", "").split(","):
        media_type, *parameters = (item.strip().lower() for item in part.split(";"))
        if media_type in _PAGES and _quality(parameters) != 0:
            return True
    return False


def _quality(parameters: list[str]) -> float:
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "q":
            with suppress(ValueError):
                return float(value.strip().strip('"'))
            break
    return 1.0


class _Unnamed(BaseRoute):
    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)


class FrontendRoute(_Unnamed):
    """One frontend under its path. Raises AssertionError for an invalid path or fallback."""

    def __init__(self, path: str, *, directory: PathName, fallback: Fallback, check_dir: bool) -> None:
        if fallback not in ("auto", "index.html", "404.html", None):
            raise AssertionError("fallback must be 'auto', 'index.html', '404.html', or None")
        self.path = path
        self.app = FrontendFiles(directory=directory, fallback=fallback, check_dir=check_dir)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return self.matches_under("", scope)

    def matches_under(self, prefix: str, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        path = (prefix + self.path).rstrip("/")
        route_path = get_route_path(scope)
        if path and route_path != path and not route_path.startswith(f"{path}/"):
            return Match.NONE, {}
        below = route_path[len(path) :]
        below = below[1:] if path else below.lstrip("/")
        note = {_PLACE: {"frontend_path": below, "frontend_specificity": len(path)}}
        return (Match.FULL if scope["method"] in _METHODS else Match.PARTIAL), note

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.app.respond(scope)
        await response(scope, receive, send)


class FrontendRoutes(_Unnamed, Includable):
    """The frontends of one router, with the dependencies that run before a file is sent."""

    def __init__(
        self,
        *,
        dependencies: Sequence[params.Depends] = (),
        dependency_overrides_provider: Any | None = None,
        routes: list[FrontendRoute] | None = None,
        prefix: str = "",
    ) -> None:
        self.dependencies = list(dependencies)
        self.dependency_overrides_provider = dependency_overrides_provider
        # Shared with the copies under each include, so that they get later additions.
        self.routes: list[FrontendRoute] = [] if routes is None else routes
        self.prefix = prefix
        self.limited: ASGIApp = self._serve
        self.operation: APIRoute | None = None
        if self.dependencies:
            self.operation = APIRoute(
                "/",
                self._endpoint,
                dependencies=self.dependencies,
                dependency_overrides_provider=dependency_overrides_provider,
                response_model=None,
                include_in_schema=False,
            )

    @classmethod
    def adopted(cls, given: Any) -> FrontendRoutes:
        """Return the frontends of a FastAPI router, for a team that moves over one router at a time."""
        adopted = cls(dependencies=given.dependencies)
        for route in given.routes:
            files = route.app
            adopted.add(route.path, directory=files.directory, fallback=files.fallback, check_dir=False)
        return adopted

    def included(self, context: RouterIncludeContext) -> FrontendRoutes:
        """Return these frontends under an include."""
        copy = FrontendRoutes(
            dependencies=[*context.dependencies, *self.dependencies],
            dependency_overrides_provider=context.dependency_overrides_provider,
            routes=self.routes,
            prefix=context.prefix + self.prefix,
        )
        copy.limited = limit_included(copy._serve, context.max_body_size, context.form_limits)
        return copy

    def add(self, path: str, *, directory: PathName, fallback: Fallback, check_dir: bool) -> None:
        self.routes.append(FrontendRoute(path, directory=directory, fallback=fallback, check_dir=check_dir))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return self.matches_with_prefix(scope, self.prefix)

    def matches_with_prefix(self, scope: Scope, prefix: str) -> tuple[Match, Scope]:
        return self._select(scope, prefix)[:2]

    def _select(self, scope: Scope, prefix: str) -> tuple[Match, Scope, FrontendRoute | None]:
        matches = ((*route.matches_under(prefix, scope), route) for route in self.routes)
        return _most_specific(matches) or (Match.NONE, {}, None)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.limited(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        match, child_scope, route = self._select(scope, self.prefix)
        if route is None:
            raise HTTPException(404)
        update_scope(scope, child_scope)
        if match is Match.FULL and self.operation is not None:
            await self.operation.app(scope, receive, send)
        else:
            await route.handle(scope, receive, send)

    async def _endpoint(self, request: Request, response: Response) -> Response:
        route = self._select(request.scope, self.prefix)[2]
        if route is None:
            raise AssertionError
        found = await route.app.respond(request.scope)
        found.headers.raw.extend(response.headers.raw)
        return found


def first_match(routes: Iterable[BaseRoute], scope: Scope) -> ASGIApp | None:
    """Return the application for a request that no ordinary route matches, and update the scope; None without one."""
    found = _most_specific((*route.matches(scope), route) for route in routes)
    if found is None:
        return None
    update_scope(scope, found[1])
    handle: ASGIApp = found[2].handle
    return handle


def _most_specific(matches: Iterable[tuple[Match, Scope, Any]]) -> tuple[Match, Scope, Any] | None:
    """Return the first full match, else the first partial match; among frontends that with the longest prefix."""
    best: tuple[Match, Scope, Any] | None = None
    for found in matches:
        if found[0] is Match.NONE:
            continue
        if best is None or (best[0] is Match.PARTIAL and found[0] is Match.FULL):
            best = found
        elif best[0] is found[0] and _PLACE in best[1] and _PLACE in found[1]:
            if found[1][_PLACE]["frontend_specificity"] > best[1][_PLACE]["frontend_specificity"]:
                best = found
    return best
