"""Included routers, at any depth: they stay linked to the original router, whose routes get the prefixes above them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import RLock
from typing import Any

from starlette import routing
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core import scope as keys
from wirefast._core.dispatch import update_scope
from wirefast._core.hooks import is_replaced
from wirefast.limits.admission import Gates
from wirefast.limits.bodies import limit_included
from wirefast.routes.adoption import adopt
from wirefast.routes.include_context import RouterIncludeContext
from wirefast.stand_in import stands_in_for

# The last match in this context, for tools that ask an included router for its path after a match.
_matched: ContextVar[tuple[Any, str | None]] = ContextVar("wirefast_matched", default=(None, None))


class _IncludedRouter(BaseRoute):
    """The place of an included router among its parent's routes.

    Its routes are the current routes of the original router; the effective copy of each is made once. The parent's
    table has the routes themselves, unless the user's class of router has its own ``matches`` or ``handle``. For such a
    router, and for code that walks ``routes`` by itself, ``matches`` and ``handle`` call the router.
    """

    def __init__(self, original_router: Any, include_context: RouterIncludeContext) -> None:
        self.original_router = original_router
        self.include_context = include_context
        # One thread at a time makes copies; the same thread may ask for other copies meanwhile.
        self._effective_routes_lock = RLock()
        # By the identity of a declared route: the route, what its copy was made of, and the copy.
        self._copies: dict[int, tuple[BaseRoute, tuple[Any, ...], BaseRoute | None]] = {}
        # Each with the version of the router's routes that it was made of.
        self._effective_pairs: list[tuple[BaseRoute, BaseRoute]] = []
        self._effective_candidates: list[BaseRoute] = []
        self._effective_candidates_version: Any = None
        self._effective_low_priority_routes: list[BaseRoute] = []
        self._effective_low_priority_routes_version: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prefix={self.include_context.prefix!r}, router={self.original_router!r})"

    __class__ = stands_in_for("fastapi.routing", "_IncludedRouter")

    def __deepcopy__(self, memo: dict[int, Any]) -> _IncludedRouter:
        return _IncludedRouter(copy.deepcopy(self.original_router, memo), copy.deepcopy(self.include_context, memo))

    @property
    def path(self) -> str:
        """The whole path of the route that ``matches`` found last in this task.

        Raises:
            AttributeError: ``matches`` has found no route.
        """
        included, path = _matched.get()
        if included is not self or path is None:
            raise AttributeError("an included router has no path of its own")
        return path

    @property
    def is_custom(self) -> bool:
        """Whether the router has its own ``matches`` or ``handle``."""
        return _overrides(self.original_router, "matches") or _overrides(self.original_router, "handle")

    def effective_candidates(self) -> list[BaseRoute]:
        """Each route's copy under this include, and the routers that are included below."""
        self._pairs()
        return self._effective_candidates

    def effective_routes(self) -> Iterator[tuple[BaseRoute, BaseRoute]]:
        """Pairs of each declared route and its copy under this include, nested routers flattened."""
        for route, effective in self._pairs():
            if isinstance(effective, _IncludedRouter):
                yield from effective.effective_routes()
            else:
                yield route, effective

    def effective_route_contexts(self) -> Iterator[RouteContext]:
        """Return the same as `RouteContext`. FastAPI's method of this name."""
        for route, effective in self.effective_routes():
            yield RouteContext(route, effective)

    def routes_to_match(self) -> Iterator[BaseRoute]:
        """Return the entries of a route table for this router: its routes, or the router itself if it is custom."""
        # A package may have changed a declared route since the copy was made.
        self._effective_candidates_version = None
        if self.is_custom:
            yield self
            return
        for effective in self.effective_candidates():
            if isinstance(effective, _IncludedRouter):
                yield from effective.routes_to_match()
            else:
                yield effective

    def _version(self) -> Any:
        """Return a value that changes with the routes of the router."""
        router = self.original_router
        version = router._get_routes_version()
        # FastAPI's router does not count changes of the list of its routes.
        return version if hasattr(router, "_parents") else (version, *map(id, router.routes))

    def _pairs(self) -> list[tuple[BaseRoute, BaseRoute]]:
        if self._effective_candidates_version == self._version():
            return self._effective_pairs
        with self._effective_routes_lock:
            version = self._version()
            if self._effective_candidates_version == version:
                return self._effective_pairs
            copies: dict[int, tuple[BaseRoute, tuple[Any, ...], BaseRoute | None]] = {}
            pairs = []
            for route in self.original_router.routes:
                known = self._copies.get(id(route))
                declared = _declared(route)
                if known is None or known[0] is not route or known[1] != declared:
                    known = (route, declared, self._effective(route))
                copies[id(route)] = known
                if known[2] is not None:
                    pairs.append((route, known[2]))
            self._copies = copies
            self._effective_pairs, self._effective_candidates = pairs, [effective for _, effective in pairs]
            self._effective_candidates_version = version
            return pairs

    def effective_low_priority_routes(self) -> list[BaseRoute]:
        """Return the copies, under this include, of the routes that are tried when no route matches, nested routers
        flattened."""
        if self._effective_low_priority_routes_version == self._version():
            return self._effective_low_priority_routes
        with self._effective_routes_lock:
            version = self._version()
            if self._effective_low_priority_routes_version != version:
                router = self.original_router
                found = map(self._effective, getattr(router, "_low_priority_routes", ()))
                routes = [route for route in found if route is not None]
                for route in router.routes:
                    if hasattr(route, "original_router") and (below := self._effective(route)) is not None:
                        routes.extend(below.effective_low_priority_routes())
                self._effective_low_priority_routes = routes
                self._effective_low_priority_routes_version = version
            return self._effective_low_priority_routes

    def _effective(self, route: Any) -> Any:
        """Return the copy of a route, also of another library, under this include; None if it cannot be included."""
        if hasattr(route, "original_router") and hasattr(route, "include_context"):
            return _IncludedRouter(route.original_router, self.include_context.below(route.include_context))
        adopted = adopt(route)
        return None if adopted is None else adopted.included(self.include_context)

    # ---- The interface of FastAPI's routers; they call the methods with an underscore ----

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route below matches. Only ``handle`` changes the scope."""
        if not _overrides(self.original_router, "matches"):
            return self._match(scope)[0], {}
        with _asked(scope, self):
            match: Match = self.original_router.matches(scope)[0]
        return match, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve by the route that matches; call the router's own ``handle`` if the user has overridden it."""
        if not _overrides(self.original_router, "handle"):
            await self._handle_selected(scope, receive, send)
            return
        with _asked(scope, self):
            await self.original_router.handle(scope, receive, send)

    def _match(self, scope: Scope) -> tuple[Match, Scope, BaseRoute | None, RouteContext | None]:
        partial: tuple[Match, Scope, BaseRoute | None, RouteContext | None] = (Match.NONE, {}, None, None)
        for declared, route in self._pairs():
            match, child_scope = route.matches(scope)
            if match is Match.NONE or (match is Match.PARTIAL and partial[2] is not None):
                continue
            found = match, child_scope, route, RouteContext(declared, route)
            if match is Match.FULL:
                _matched.set((self, getattr(route, "path", None)))
                return found
            partial = found
        return partial

    async def _handle_selected(self, scope: Scope, receive: Receive, send: Send) -> None:
        match, child_scope, route, _ = self._match(scope)
        if match is Match.NONE or route is None:
            context = self.include_context
            default = limit_included(self.original_router.default, context.max_body_size, context.form_limits)
            await default(scope, receive, send)
            return
        update_scope(scope, child_scope)
        app: ASGIApp = route.handle
        if scope["type"] == "websocket":
            app = Gates(self.include_context.admission).of(route).choose(scope, app)
        await app(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        return first_url_path((route for _, route in self.effective_routes()), name, path_params)


def _declared(route: Any) -> tuple[Any, ...]:
    """Return what packages change on a declared route before it serves: the endpoint and the dependencies."""
    return (id(getattr(route, "endpoint", None)), *map(id, getattr(route, "dependencies", ())))


def asked_for(router: Any, scope: Scope) -> _IncludedRouter | None:
    """Return the include that calls ``matches`` or ``handle`` of a router; None without one."""
    included = scope.get(keys.SHARED, {}).get("included_router")
    return included if getattr(included, "original_router", None) is router else None


@contextmanager
def _asked(scope: Scope, included: _IncludedRouter) -> Iterator[None]:
    shared = scope.setdefault(keys.SHARED, {})
    before = shared.get("included_router")
    shared["included_router"] = included
    try:
        yield
    finally:
        shared["included_router"] = before


def _overrides(router: Any, name: str) -> bool:
    """Return whether a method of a router is neither wirefast's nor FastAPI's."""
    if name in vars(router):
        return True
    owner = next((kind for kind in type(router).__mro__ if name in vars(kind)), None)
    if owner is None:
        return False
    return owner.__module__ not in ("wirefast.routing", "fastapi.routing") or is_replaced(owner, name)


def first_url_path(routes: Iterable[BaseRoute], name: str, path_params: dict[str, Any]) -> URLPath:
    for route in routes:
        try:
            return route.url_path_for(name, **path_params)
        except NoMatchFound:
            continue
    raise NoMatchFound(name, path_params)


@dataclass(frozen=True)
class RouteContext:
    """A route under its includes: ``route`` is the declared route, all other attributes are those of the copy.

    Args:
        route: the declared route.
        effective: its copy with the whole path, all dependencies and defaults.
    """

    route: BaseRoute
    effective: BaseRoute

    @property
    def original_route(self) -> BaseRoute:
        """FastAPI's name for ``route``."""
        return self.route

    @property
    def starlette_route(self) -> BaseRoute | None:
        """The effective route; None for an operation, which its context represents. FastAPI's name."""
        return None if hasattr(self.effective, "get_route_handler") else self.effective

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether path and method are those of the route; a user's ``matches`` is not called."""
        if self.effective is self.route or self.starlette_route is not None:
            return self.effective.matches(scope)
        return routing.Route.matches(self.effective, scope)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        if name in ("path", "path_format", "name", "methods", "endpoint"):
            return getattr(self.effective, name, None)
        return getattr(self.effective, name)


def iter_route_contexts(routes: Sequence[BaseRoute | RouteContext]) -> Iterator[RouteContext]:
    """Every route below ``routes``, included routers flattened. FastAPI's ``routing.iter_route_contexts``."""
    for route in routes:
        if isinstance(route, RouteContext):
            yield route
        elif isinstance(route, _IncludedRouter):
            yield from route.effective_route_contexts()
        else:
            yield RouteContext(route, route)


def _iter_included_route_candidates(routes: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """Every route below ``routes``: the copy of a route of Starlette, an operation as declared.

    FastAPI's function of this name.
    """
    for context in iter_route_contexts(routes):
        yield context.route if context.starlette_route is None else context.starlette_route


def foreign_routers(router: Any) -> Iterator[Any]:
    """FastAPI's routers that are included somewhere below; they number their changes and do not report them."""
    for route in router.routes:
        child = getattr(route, "original_router", None)
        if child is None:
            continue
        if hasattr(child, "_parents"):
            yield from foreign_routers(child)
        else:
            yield child


def contains_router(router: Any, wanted: Any, seen: set[int] | None = None) -> bool:
    """Return whether ``wanted`` is included somewhere below ``router``."""
    seen = set() if seen is None else seen
    if id(router) in seen:
        return False
    seen.add(id(router))
    below = [route.original_router for route in router.routes if hasattr(route, "original_router")]
    return any(child is wanted or contains_router(child, wanted, seen) for child in below)
