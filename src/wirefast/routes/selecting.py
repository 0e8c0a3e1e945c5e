"""A router's choice of a route: its routes are frozen into one table for each protocol, until they change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any
from weakref import ref

from starlette import routing
from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Scope

from wirefast._core import scope as keys
from wirefast._core.dispatch import Entry, Opaque, RouteTable
from wirefast._core.foreign import get_route_path
from wirefast._core.hooks import is_replaced
from wirefast._core.pace import PacedApp
from wirefast.limits.admission import Admission, Gates
from wirefast.limits.bodies import FormLimits, inherit_form_limits
from wirefast.routes.frontend import first_match
from wirefast.routes.http import APIRoute
from wirefast.routes.inclusion import _IncludedRouter, foreign_routers
from wirefast.routes.request_handler import hooks_now
from wirefast.routes.route_list import RouteList
from wirefast.routes.websocket import APIWebSocketRoute

__all__ = ["SelectingRouter"]


def _matches_as_declared(route: BaseRoute, kind: Any) -> bool:
    """Return whether a route has the ``matches`` of this class, which reads only the path and the method."""
    if type(route).matches is not kind.matches or is_replaced(kind, "matches"):
        return False
    declared = getattr(route, "_declared", route)
    return "matches" not in vars(declared) and "handle" not in vars(declared)


class SelectingRouter(routing.Router):
    """A router of frozen tables; `APIRouter` is one."""

    # Routers that include this one.
    _parents: list[ref[Any]]
    _tables_lock: Lock
    _websocket_table: RouteTable | None
    _http_table: RouteTable | None
    _routes_version: int
    # FastAPI's routers below this one, and the version of each in the tables. FastAPI's routers cannot report a change.
    _watched: list[tuple[Any, int]]
    # Tried when no route matches; mostly frontends.
    _low_priority_routes: list[BaseRoute]
    admission: Admission
    form_limits: FormLimits

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes in order; the list may be changed at any time, also while connections are served."""
        return self._routes

    @routes.setter
    def routes(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = RouteList(self._thaw, routes)
        self._thaw()

    def _thaw(self) -> None:
        """Forget the frozen tables, here and in every router that includes this one."""
        with self._tables_lock:
            self._websocket_table = self._http_table = None
            self._routes_version += 1
        for parent in filter(None, [reference() for reference in self._parents]):
            parent._thaw()

    # The names of FastAPI's methods.
    _mark_routes_changed = _thaw

    def _get_routes_version(self, seen: set[int] | None = None) -> int:
        """Return a number that changes with the routes here and below. FastAPI's method; ``seen`` is not used."""
        return self._routes_version

    def _thaw_if_watched_changed(self) -> None:
        if any(router._get_routes_version() != version for router, version in self._watched):
            self._thaw()

    def _flat_routes(self) -> Iterator[BaseRoute]:
        for route in self.routes:
            if isinstance(route, _IncludedRouter):
                yield from route.routes_to_match()
            else:
                yield route

    def _freeze(self, route_class: type[Any], other_class: type[Any]) -> RouteTable:
        """Return the table for one protocol: routes of ``route_class`` match by path, those of ``other_class`` never
        match."""
        entries: list[Entry] = []
        opaque: list[Opaque] = []
        self._watched = [(router, router._get_routes_version()) for router in foreign_routers(self)]
        hooks = hooks_now()
        gates = Gates(self.admission) if route_class is routing.WebSocketRoute else None
        for order, route in enumerate(self._flat_routes()):
            if getattr(route, "_hooks", hooks) != hooks:  # a tool has replaced a function after the route was declared
                route._analyse()  # type: ignore[attr-defined]
            ours = _matches_as_declared(route, APIRoute) or _matches_as_declared(route, APIWebSocketRoute)
            if isinstance(route, other_class) and (ours or _matches_as_declared(route, other_class)):
                continue
            if isinstance(route, route_class) and (ours or _matches_as_declared(route, route_class)):
                methods = route.methods or frozenset() if hasattr(route, "methods") else None
                entries.append(Entry(order, route, methods, ours, None if gates is None else gates.of(route)))
            else:
                opaque.append(Opaque(order, route, None if gates is None else gates.of(route)))
        return RouteTable(entries, opaque)

    def select_websocket(self, scope: Scope) -> ASGIApp:
        """Return the application of the first route that matches a WebSocket scope, and update the scope."""
        if "router" not in scope:
            scope["router"] = self
        if self._watched:
            self._thaw_if_watched_changed()
        table = self._websocket_table
        if table is None:
            version = self._routes_version
            table = self._freeze(routing.WebSocketRoute, routing.Route)
            with self._tables_lock:
                # A route that another thread has just added may be missing, so this table serves only this connection.
                if version == self._routes_version:
                    self._websocket_table = table
        app: ASGIApp | None = table.select_websocket(scope)
        return self.default if app is None else app

    def select_http(self, scope: Scope) -> ASGIApp:
        """As select_websocket, for HTTP, with slash redirects and frontend routes."""
        if "router" not in scope:
            scope["router"] = self
        if self.form_limits:
            inherit_form_limits(scope, self.form_limits)
        if self._watched:
            self._thaw_if_watched_changed()
        table = self._http_table
        if table is None:
            version = self._routes_version
            table = self._freeze(routing.Route, routing.WebSocketRoute)
            with self._tables_lock:
                if version == self._routes_version:
                    self._http_table = table
        app: ASGIApp | None = table.select_http(scope)
        if app is None and self.redirect_slashes:
            app = self._slash_redirect(scope, table)
        if app is None:
            app = first_match(self._flat_low_priority_routes(), scope)
        if app is None:
            app = self.default if self.default == self.not_found else PacedApp(self.default)
        return app

    def _flat_low_priority_routes(self) -> Iterator[BaseRoute]:
        yield from self._low_priority_routes
        for route in self.routes:
            if isinstance(route, _IncludedRouter):
                yield from route.effective_low_priority_routes()

    def _slash_redirect(self, scope: Scope, table: RouteTable) -> ASGIApp | None:
        path = get_route_path(scope)
        if path == "/":
            return None
        redirect_scope = dict(scope)
        if path.endswith("/"):
            redirect_scope["path"] = redirect_scope["path"].rstrip("/")
        else:
            redirect_scope["path"] = redirect_scope["path"] + "/"
        if not table.matches_http(redirect_scope):
            return None
        response = RedirectResponse(url=str(URL(scope=redirect_scope)))
        if (recording := scope.get(keys.TELEMETRY)) is not None:
            table.select_http(redirect_scope)
            recording.note_route(redirect_scope)
        return response
