"""Routes of other libraries under an include: FastAPI's are replaced by ours, Starlette's get another path.

A team that moves over one router at a time has FastAPI's routes below a router of ours. Only this module checks which
library made a route.
"""

from __future__ import annotations

from typing import Any

from starlette import routing
from starlette.routing import BaseRoute, compile_path

from wirefast.limits.bodies import limit_included
from wirefast.routes.frontend import FrontendRoutes
from wirefast.routes.http import APIRoute
from wirefast.routes.include_context import Includable, RouterIncludeContext
from wirefast.routes.live_copy import live_copy
from wirefast.routes.websocket import APIWebSocketRoute

__all__ = ["adopt"]


def adopt(route: Any) -> Includable | None:
    """Return a route in the form that can be included.

    Args:
        route: a route of wirefast, FastAPI or Starlette.

    Returns:
        The route itself if it is wirefast's, otherwise a route in its place; None for an unknown kind, which an
        include leaves out, as FastAPI does.
    """
    if isinstance(route, Includable):
        return route
    if hasattr(route, "matches_with_prefix"):
        return FrontendRoutes.adopted(route)
    if hasattr(route, "dependant"):
        if isinstance(route, routing.WebSocketRoute):
            return APIWebSocketRoute.adopted(route)
        if isinstance(route, routing.Route):
            return APIRoute.adopted(route)
    for kind, adopted in _STARLETTE.items():
        if isinstance(route, kind):
            return adopted(route)
    return None


class _Adopted(Includable):
    """A route of Starlette, which has no dependencies and no limits.

    Args:
        route: as declared.
    """

    def __init__(self, route: Any) -> None:
        self.route = route

    def included(self, context: RouterIncludeContext) -> BaseRoute:
        route: BaseRoute = live_copy(self.route)
        self.move(route, context)
        return route

    def move(self, route: Any, context: RouterIncludeContext) -> None:
        """Set the path of the copy ``route`` under the include."""
        raise NotImplementedError


def _set_path(route: Any, path: str, pattern: str) -> None:
    route.path = path
    route.path_regex, route.path_format, route.param_convertors = compile_path(pattern)


def _limit(route: Any, app: Any, context: RouterIncludeContext) -> None:
    route.app = limit_included(app, context.max_body_size, context.form_limits)


class _AdoptedWebSocketRoute(_Adopted):
    def move(self, route: Any, context: RouterIncludeContext) -> None:
        path = context.path_for(self.route)
        _set_path(route, path, path)


class _AdoptedRoute(_AdoptedWebSocketRoute):
    def move(self, route: Any, context: RouterIncludeContext) -> None:
        super().move(route, context)
        _limit(route, route.app, context)


class _AdoptedMount(_Adopted):
    def move(self, route: Any, context: RouterIncludeContext) -> None:
        path = context.path_for(self.route).rstrip("/")
        _set_path(route, path, path + "/{path:path}")
        _limit(route, route.app, context)


class _AdoptedHost(_Adopted):
    def move(self, route: Any, context: RouterIncludeContext) -> None:
        _limit(route, self.route.app, context)
        if context.prefix:
            route.app = routing.Router(routes=[routing.Mount(context.prefix, app=route.app)])


_STARLETTE: dict[type[BaseRoute], type[_Adopted]] = {
    routing.WebSocketRoute: _AdoptedWebSocketRoute,
    routing.Route: _AdoptedRoute,
    routing.Mount: _AdoptedMount,
    routing.Host: _AdoptedHost,
}
