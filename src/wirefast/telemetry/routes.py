"""The template of the matched path, from the scope after routing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from wirefast._core import scope as keys
from wirefast._core.foreign import get_route_path


def route_of(scope: Scope, app: Any, path: str, root_path: str) -> str | None:
    """``/mounted/{name}/items/{id}`` for a scope that has been through routing, None if no route was chosen.

    Args:
        scope: the scope after routing.
        app: the outermost application.
        path, root_path: those of the scope before routing.
    """
    prefix, router = root_path.rstrip("/"), getattr(app, "router", None)
    level = {**scope, "path": path, "root_path": root_path}
    while level["root_path"] != scope.get("root_path", ""):
        for route in _routes(router):
            if isinstance(route, Mount):
                match, child = route.matches(level)
                if match is Match.FULL:
                    break
        else:
            return None
        prefix += route.path
        level.update(child)
        router = getattr(route.app, "router", route.app)
        if not _routes(router):
            return prefix + "/{path}"
    below = scope.get(keys.SHARED, {}).get("frontend_specificity")
    if below is not None:
        return prefix + get_route_path(level)[:below] + "/{path}"
    chosen, endpoint = scope.get("route"), scope.get("endpoint")
    if getattr(chosen, "endpoint", None) is not endpoint or endpoint is None:
        # A route of Starlette notes only its endpoint.
        chosen = next((route for route in _routes(router) if getattr(route, "endpoint", None) is endpoint), None)
        if endpoint is None or chosen is None:
            return None
    template: str | None = getattr(chosen, "path_format", None)
    return None if template is None else prefix + template


def _routes(router: Any) -> list[BaseRoute]:
    flat = getattr(router, "_flat_routes", None)
    found: Iterable[BaseRoute] = flat() if flat is not None else getattr(router, "routes", None) or ()
    return list(found)
