"""Recognise a handshake for a path that no route has, and find the nearest route."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from wirefast._core.clock import monotonic

__all__ = ["NO_ROUTE", "missing_route"]

#: The reason that a client gets for a path without a route.
NO_ROUTE = "no route"
#: How many routes are compared with an unknown path, how many characters of it, and the seconds between two searches.
ROUTES_MAX, PATH_MAX, SEARCH_EVERY = 500, 200, 1.0

_searched = -SEARCH_EVERY


def missing_route(scope: Mapping[str, Any]) -> str | None:
    """Return why no route took a connection, for the log; None if a route took it, or if that is unknown.

    Args:
        scope: the scope of a handshake that the application closed without a code of its own. Routers of Starlette and
            of wirefast store themselves and the chosen endpoint in the scope.
    """
    endpoint = scope.get("endpoint")
    source = scope.get("router") if endpoint is None else endpoint
    routes = getattr(source, "routes", None)
    if routes is None:
        return None
    path = scope["path"]
    root = scope.get("root_path", "")
    inner = path[len(root) :] if root and path.startswith(root) else path
    for route in _routes(source, routes):
        if getattr(route, "methods", None) and getattr(route, "path", None) == inner:
            return f"no route for WebSockets, only for {', '.join(sorted(route.methods))}"
    near = _nearest(inner, _routes(source, routes))
    return NO_ROUTE if near is None else f"{NO_ROUTE}; the nearest is {root}{near}"


def _routes(source: Any, routes: Any) -> Iterator[Any]:
    flat = getattr(getattr(source, "router", source), "_flat_routes", None)  # ours: includes those of included routers
    return islice(iter(flat() if flat is not None else routes), ROUTES_MAX)


def _nearest(path: str, routes: Iterator[Any]) -> str | None:
    """Return the path of the most similar route for sockets; searches at most once a second."""
    global _searched
    now = monotonic()
    if len(path) > PATH_MAX or now - _searched < SEARCH_EVERY:
        return None
    _searched = now
    asked = path.split("/")
    paths = {}
    for route in routes:
        template = getattr(route, "path", None)
        if isinstance(template, str) and not getattr(route, "methods", None) and hasattr(route, "endpoint"):
            parts = template.split("/")
            # A parameter matches any text in its place.
            filled = [
                given if "{" in part else part for part, given in zip(parts, asked + parts[len(asked) :], strict=False)
            ]
            paths["/".join(filled)] = template
    found = difflib.get_close_matches(path, paths, n=1)
    return paths[found[0]] if found else None
