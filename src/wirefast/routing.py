"""APIRouter, and FastAPI's names of ``fastapi.routing``."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from threading import Lock
from typing import Any, Literal, TypeVar
from weakref import ref

from starlette.datastructures import URLPath
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.routing import Match as Match
from starlette.routing import Mount as Mount
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from typing_extensions import deprecated as deprecated_decorator

from wirefast import lifespan as lifespans
from wirefast import params
from wirefast._core import scope as keys
from wirefast._core.dispatch import RouteTable
from wirefast._core.operation import RequestResponse as request_response  # noqa: F401, N813
from wirefast.datastructures import Default
from wirefast.dependencies.utils import solve_dependencies as solve_dependencies
from wirefast.exceptions import FastAPIError
from wirefast.lifespan import HandlerLifespan as _DefaultLifespan
from wirefast.limits.admission import NOTHING_SET, Admission, warn_of_open_origins
from wirefast.limits.bodies import limit_body, validate_form_limits, validate_max_body_size
from wirefast.limits.limits import Limits
from wirefast.limits.origins import Origins
from wirefast.messages.declaring import MessageDeclarations
from wirefast.other_server import tell_of_the_wire
from wirefast.routes.advice import advise_of_path, advise_of_repetition
from wirefast.routes.frontend import Fallback, FrontendRoutes, PathName, check_directory
from wirefast.routes.http import APIRoute as APIRoute
from wirefast.routes.http import _effective_route_context_var as _effective_route_context_var
from wirefast.routes.http_methods import RouterHttpMethods
from wirefast.routes.include_context import RouterIncludeContext
from wirefast.routes.inclusion import (
    RouteContext as RouteContext,
)
from wirefast.routes.inclusion import (
    _IncludedRouter,
    asked_for,
    contains_router,
    first_url_path,
)
from wirefast.routes.inclusion import _iter_included_route_candidates as _iter_included_route_candidates
from wirefast.routes.inclusion import iter_route_contexts as iter_route_contexts
from wirefast.routes.missing_hub import telling_of_a_missing_hub
from wirefast.routes.request_handler import get_request_handler as get_request_handler
from wirefast.routes.request_handler import run_endpoint_function as run_endpoint_function
from wirefast.routes.request_handler import serialize_response as serialize_response
from wirefast.routes.route_list import RouteList
from wirefast.routes.selecting import SelectingRouter
from wirefast.routes.websocket import APIWebSocketRoute as APIWebSocketRoute
from wirefast.routes.websocket import get_websocket_app as get_websocket_app
from wirefast.routes.websocket import websocket_session as websocket_session
from wirefast.routes.websocket_methods import RouterWebSocketMethods
from wirefast.sse import _PING_INTERVAL as _PING_INTERVAL
from wirefast.stand_in import stands_in_for
from wirefast.utils import generate_unique_id, get_value_or_default
from wirefast.websockets import WebSocket as WebSocket

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
# FastAPI's name for a missing value in `_restore_fastapi_scope_key`.
_SCOPE_MISSING = object()


def _restore_fastapi_scope_key(scope: Scope, key: str, previous: Any) -> None:
    """Put back what ``scope["fastapi"]`` had under a key. FastAPI's function of this name.

    Args:
        previous: the value to put back; ``_SCOPE_MISSING`` to remove the key.
    """
    shared = scope.get(keys.SHARED)
    if not isinstance(shared, dict):
        return
    if previous is _SCOPE_MISSING:
        shared.pop(key, None)
    else:
        shared[key] = previous


def _check_prefix(prefix: str) -> None:
    if prefix:
        if not prefix.startswith("/"):
            raise AssertionError("A path prefix must start with '/'")
        if prefix.endswith("/"):
            raise AssertionError("A path prefix must not end with '/', as the routes will start with '/'")


class APIRouter(RouterHttpMethods, RouterWebSocketMethods, MessageDeclarations, SelectingRouter):
    """A group of routes with a common prefix and common dependencies; also an ASGI application of its own.

    Args:
        prefix: put before every path; starts with ``/``, does not end with it.
        default_response_class: of HTTP operations. Default: JSON.
        tags, responses, callbacks, deprecated, include_in_schema, generate_unique_id_function: for OpenAPI.
        dependencies: run for every route of the router.
        routes: Starlette routes to begin with.
        redirect_slashes: answer ``/x/`` with a redirect to ``/x`` and the reverse if only that exists (HTTP).
        default: the ASGI application for what no route matches.
        dependency_overrides_provider: see APIWebSocketRoute.
        route_class: the class of HTTP routes.
        on_startup, on_shutdown: handlers, used if there is no ``lifespan``.
        lifespan: an async context manager of the application, or a generator function of either kind.
        strict_content_type: whether a JSON body needs a JSON content type.
        max_body_size: bytes of a request body; None for no limit.
        form_limits: ``max_fields``, ``max_files``, ``max_part_size`` of forms.
        origins: the web pages that may open its WebSockets; see `App`. Default: as set on the router or application
            that includes this router. wirefast only.
        limits: the limits of its WebSockets; see ``Limits``. wirefast only.

    Raises:
        AssertionError: a prefix that breaks the rule above.
        TypeError, ValueError: ``origins`` is not a list of origins.
    """

    __class__ = stands_in_for("fastapi.routing", "APIRouter")

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        default_response_class: type[Response] = Default(JSONResponse),
        responses: dict[int | str, dict[str, Any]] | None = None,
        callbacks: list[BaseRoute] | None = None,
        routes: list[BaseRoute] | None = None,
        redirect_slashes: bool = True,
        default: ASGIApp | None = None,
        dependency_overrides_provider: Any | None = None,
        route_class: type[APIRoute] = APIRoute,
        on_startup: Sequence[Callable[[], Any]] | None = None,
        on_shutdown: Sequence[Callable[[], Any]] | None = None,
        lifespan: Lifespan[Any] | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        generate_unique_id_function: Callable[[APIRoute], str] = Default(generate_unique_id),
        strict_content_type: bool = Default(True),
        max_body_size: int | None = None,
        form_limits: dict[str, int] | None = None,
        origins: Origins | None = None,
        limits: Limits | None = None,
    ) -> None:
        validate_max_body_size(max_body_size)
        #: The origins and limits of its WebSockets that are set on this router.
        self.admission = Admission.of(origins, limits)
        self.on_startup: list[Callable[[], Any]] = list(on_startup or ())
        self.on_shutdown: list[Callable[[], Any]] = list(on_shutdown or ())
        self._parents: list[ref[APIRouter]] = []
        self._tables_lock = Lock()
        self._websocket_table: RouteTable | None = None
        self._http_table: RouteTable | None = None
        self._routes_version = 0
        # FastAPI's routers below this one, and the version of each in the tables. FastAPI's routers cannot report a
        # change.
        self._watched: list[tuple[Any, int]] = []
        # Tried when no route matches; mostly frontends.
        self._low_priority_routes: list[BaseRoute] = []
        self._frontend_routes: FrontendRoutes | None = None
        if lifespan is None:
            lifespan_context: Lifespan[Any] = _DefaultLifespan(self)
        else:
            lifespan_context = lifespans.as_lifespan(lifespan)
        super().__init__(
            routes=routes,
            redirect_slashes=redirect_slashes,
            default=default,
            lifespan=lifespan_context,
            # Routes of other frameworks have no limits of their own.
            middleware=None if max_body_size is None else [Middleware(limit_body, max_body_size=max_body_size)],
        )
        self._own_stack = self.middleware_stack
        _check_prefix(prefix)
        self.prefix = prefix
        self.tags: list[str | Enum] = tags or []
        self.dependencies = list(dependencies or ())
        self.default_response_class = default_response_class
        self.responses = responses or {}
        self.callbacks = callbacks or []
        self.dependency_overrides_provider = dependency_overrides_provider
        self.route_class = route_class
        self.deprecated = deprecated
        self.include_in_schema = include_in_schema
        self.generate_unique_id_function = generate_unique_id_function
        self.strict_content_type = strict_content_type
        self.max_body_size = max_body_size
        self.form_limits = validate_form_limits(form_limits)

    def __deepcopy__(self, memo: dict[int, Any]) -> APIRouter:
        """Return a copy with routes of its own; routers that include this router do not include the copy."""
        made = object.__new__(type(self))
        memo[id(self)] = made
        fresh = {
            "_parents": [],
            "_tables_lock": Lock(),
            "_websocket_table": None,
            "_http_table": None,
            "_watched": [],
            "_routes": RouteList(made._thaw),
        }
        made.__dict__.update(fresh)
        for name, value in vars(self).items():
            if name not in fresh:
                made.__dict__[name] = copy.deepcopy(value, memo)
        made.routes = [copy.deepcopy(route, memo) for route in self._routes]
        for route in made.routes:
            if isinstance(route, _IncludedRouter) and isinstance(route.original_router, APIRouter):
                route.original_router._parents.append(ref(made))
        return made

    def _contains_router(self, router: Any, seen: set[int] | None = None) -> bool:
        """Refuse to be included in a FastAPI router, which calls this first; its copies of the routes would serve
        nothing."""
        raise FastAPIError(
            "A FastAPI router or application cannot include a wirefast router. Mount a wirefast App that includes it: "
            'fastapi_app.mount("/prefix", app). The reverse works: a wirefast router includes a FastAPI router.'
        )

    def selects_by_itself(self) -> bool:
        """Return whether nothing stands between this router and ``select_websocket``: no subclass, no middleware.

        The limit of HTTP bodies does not matter: a socket has no body.
        """
        return type(self).app is APIRouter.app and self.middleware_stack == self._own_stack

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route matches where this router is included; subclasses override it. ``NONE`` elsewhere."""
        included = asked_for(self, scope)
        return (Match.NONE, {}) if included is None else included._match(scope)[:2]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what ``matches`` found where this router is included; subclasses override it."""
        included = asked_for(self, scope)
        await (self.app if included is None else included._handle_selected)(scope, receive, send)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection or the lifespan."""
        kind = scope["type"]
        if kind == "websocket":
            await self.select_websocket(scope)(scope, receive, send)
        elif kind == "http":
            await self.select_http(scope)(scope, receive, send)
        else:
            if not (kind == "lifespan"):
                raise AssertionError
            if "router" not in scope:
                scope["router"] = self
            try:
                self._check_routes()
            except Exception:
                # The server would take another exception than this message for an application without a lifespan.
                await receive()
                await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
                raise
            middleware = getattr(scope.get("app"), "user_middleware", ())
            has_session = any(getattr(item.cls, "__name__", "") == "SessionMiddleware" for item in middleware)
            warn_of_open_origins(self._flat_routes(), self.admission, has_session)
            tell_of_the_wire(self._flat_routes())
            await self.lifespan(scope, receive, telling_of_a_missing_hub(self._flat_routes(), scope, send))

    def _check_routes(self) -> None:
        """Analyse what could not be analysed when it was declared, and warn of mistakes that show now."""
        for route in self._flat_routes():
            if getattr(route, "unresolved", None) is not None:
                route.resolve()  # type: ignore[attr-defined]
            if hasattr(route, "advise_at_start"):
                route.advise_at_start()

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Return the path of a named route.

        Raises:
            starlette.routing.NoMatchFound: no route has that name and exactly these parameters.
        """
        return first_url_path(self.routes, name, path_params)

    def _advise(self, path: str, methods: Collection[str] | None, endpoint: Any) -> None:
        """Warn of a path that no request matches, and of a path that an earlier route of this router has.

        Args:
            path: below the prefix.
            methods: HTTP methods; None for a socket.
            endpoint: the endpoint of the new route.
        """
        whole = self.prefix + path
        # An include puts its prefix before an empty path. A path of an HTTP operation may be that of a callback or a
        # webhook.
        if whole and methods is None:
            advise_of_path(whole, endpoint)
        if self._routes.has_path(whole):
            advise_of_repetition(self.routes, whole, methods, endpoint)

    # ---- Declaring Starlette's routes and frontends ----

    def route(
        self,
        path: str,
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> Callable[[Decorated], Decorated]:
        """Declare a plain Starlette HTTP route.

        Args:
            path: the whole path.
            methods: HTTP methods. Default: GET and HEAD.
            name: for ``url_path_for``. Default: the function's name.
            include_in_schema: for OpenAPI.
        """

        def decorator(function: Decorated) -> Decorated:
            self.add_route(path, function, methods=methods, name=name, include_in_schema=include_in_schema)
            return function

        return decorator

    def frontend(
        self,
        path: str,
        *,
        directory: PathName,
        fallback: Fallback = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """Serve a built frontend if nothing else matches, after the router's dependencies.

        Args:
            path: below the router's prefix; ``"/"`` for all that it has.
            directory: the directory of the files.
            fallback: the response if there is no such file: ``"index.html"`` to browsers that navigate,
                ``"404.html"`` with status 404, ``"auto"`` for the one of these that exists, None for a plain 404.
            check_dir: whether the directory must exist now; ``"auto"``: unless ``FASTAPI_ENV`` is ``development``.

        Raises:
            AssertionError: a path that is empty or without its first ``/``, or another fallback.
            RuntimeError: a directory or fallback that does not exist.
        """
        check_dir = check_directory(directory, check_dir)
        whole = self.prefix + path.rstrip("/")
        if not (path and (whole or path == "/")):
            raise AssertionError("A frontend path cannot be empty")
        if not path.startswith("/"):
            raise AssertionError("A frontend path must start with '/'")
        if self._frontend_routes is None:
            self._frontend_routes = FrontendRoutes(
                dependencies=self.dependencies, dependency_overrides_provider=self.dependency_overrides_provider
            )
            self._low_priority_routes.append(self._frontend_routes)
        self._frontend_routes.add(whole, directory=directory, fallback=fallback, check_dir=check_dir)
        self._thaw()

    # ---- Including routers ----

    def include_router(
        self,
        router: APIRouter,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        default_response_class: type[Response] = Default(JSONResponse),
        responses: dict[int | str, dict[str, Any]] | None = None,
        callbacks: list[BaseRoute] | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        generate_unique_id_function: Callable[[APIRoute], str] = Default(generate_unique_id),
        max_body_size: int | None = None,
        form_limits: dict[str, int] | None = None,
        origins: Origins | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Serve the routes of another router under this one, also those it gets later.

        Args:
            router: the other router.
            prefix: put before its own prefix; starts with ``/``, does not end with it.
            dependencies: run before the router's own.
            default_response_class: the default response class of its HTTP operations, if it has none. Default: JSON.
            max_body_size, form_limits: the limits of its HTTP operations, if it has none; see `APIRouter`.
            origins: the origins of its WebSockets, if it has none; see `App`. wirefast only.
            limits: the limits of its WebSockets, beside its own; see ``Limits``. wirefast only.
            tags, responses, callbacks, deprecated, include_in_schema, generate_unique_id_function: for OpenAPI.

        Raises:
            AssertionError: a prefix that breaks the rule, or a router that includes itself.
            FastAPIError: a route would have an empty path.
        """
        if self is router:
            raise AssertionError(
                "Cannot include the same APIRouter instance into itself. Did you mean to include a different router?"
            )
        if contains_router(router, self):
            raise AssertionError(
                "Cannot include an APIRouter instance that already includes this router. "
                "Did you mean to include a different router?"
            )
        _check_prefix(prefix)
        if not prefix:
            for found in iter_route_contexts(router.routes):
                if found.path is not None and not found.path:
                    name = getattr(found.effective, "name", "unknown")
                    raise FastAPIError(f"Prefix and path cannot be both empty (path operation: {name})")
        validate_max_body_size(max_body_size)
        around = Admission.of(origins, limits).inside(self.admission)
        body_limits = (getattr(router, "max_body_size", None), max_body_size, self.max_body_size)
        context = RouterIncludeContext(
            included_router=router,
            prefix=self.prefix + prefix,
            tags=[*self.tags, *(tags or ())],
            dependencies=[*self.dependencies, *(dependencies or ())],
            default_response_class=get_value_or_default(default_response_class, self.default_response_class),
            responses={**self.responses, **(responses or {})},
            callbacks=[*self.callbacks, *(callbacks or ())],
            deprecated=deprecated or self.deprecated,
            include_in_schema=self.include_in_schema and include_in_schema,
            generate_unique_id_function=get_value_or_default(
                generate_unique_id_function, self.generate_unique_id_function
            ),
            strict_content_type=self.strict_content_type,
            dependency_overrides_provider=self.dependency_overrides_provider,
            max_body_size=next((limit for limit in body_limits if limit is not None), None),
            form_limits=validate_form_limits({**(form_limits or {}), **getattr(router, "form_limits", {})}),
            admission=getattr(router, "admission", NOTHING_SET).inside(around),
        )
        if isinstance(router, APIRouter):
            router._parents.append(ref(self))
        self.routes.append(_IncludedRouter(router, context))
        for handler in router.on_startup:
            self.add_event_handler("startup", handler)
        for handler in router.on_shutdown:
            self.add_event_handler("shutdown", handler)
        self.lifespan_context = lifespans.merge(self.lifespan_context, router.lifespan_context)

    # ---- Events ----

    async def _startup(self) -> None:
        """Run the handlers of the start, as the lifespan does without one of the user's; FastAPI's method."""
        await lifespans.call_all(self.on_startup)

    async def _shutdown(self) -> None:
        """Run the handlers of the end, as the lifespan does without one of the user's; FastAPI's method."""
        await lifespans.call_all(self.on_shutdown)

    def add_event_handler(self, event_type: str, func: Callable[[], Any]) -> None:
        """Add ``func`` as a handler of ``event_type``, ``"startup"`` or ``"shutdown"``; AssertionError for another."""
        if event_type not in ("startup", "shutdown"):
            raise AssertionError
        (self.on_startup if event_type == "startup" else self.on_shutdown).append(func)

    @deprecated_decorator("on_event is deprecated, use lifespan event handlers instead.")
    def on_event(self, event_type: str) -> Callable[[Decorated], Decorated]:
        """Declare a handler; see `add_event_handler`. Deprecated as in FastAPI: use ``lifespan``."""

        def decorator(function: Decorated) -> Decorated:
            self.add_event_handler(event_type, function)
            return function

        return decorator
