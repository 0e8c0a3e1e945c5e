"""App: the application object. FastAPI's ``FastAPI``."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from types import MethodType
from typing import Any, Literal, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send
from typing_extensions import deprecated as deprecated_decorator

from wirefast import params, routing
from wirefast._core import secrets
from wirefast._core.handlers import DenialByClose
from wirefast._core.hooks import connections_are_hooked
from wirefast._core.session import WebSocketPipeline, call_application
from wirefast.datastructures import Default, DefaultPlaceholder
from wirefast.documents.application import AppDocuments
from wirefast.documents.asyncapi.application import AppSocketDocuments
from wirefast.documents.asyncapi.serving import add_socket_routes
from wirefast.documents.pages import get_redoc_html as get_redoc_html
from wirefast.documents.pages import get_swagger_ui_html as get_swagger_ui_html
from wirefast.documents.pages import get_swagger_ui_oauth2_redirect_html as get_swagger_ui_oauth2_redirect_html
from wirefast.draining import DrainHook, TellsOfDrain
from wirefast.exception_handlers import (
    explain_by_close,
    explain_by_http,
    http_exception_handler,
    refuse_by_close,
    request_validation_exception_handler,
    websocket_request_validation_exception_handler,
    with_either_class,
)
from wirefast.exceptions import (
    FastAPIDeprecationWarning,
    Refuse,
    RequestValidationError,
    WebSocketRequestValidationError,
)
from wirefast.lifespan import merge
from wirefast.limits.admission import Admission
from wirefast.limits.bodies import AppBodyLimitMiddleware
from wirefast.limits.limits import Limits
from wirefast.limits.operators import operators_limits
from wirefast.limits.origins import Origins
from wirefast.messages.declaring import MessageDeclarations
from wirefast.middleware.asyncexitstack import AsyncExitStackMiddleware
from wirefast.operating import OperatingDeclarations, metrics_route
from wirefast.rooms.brokers import BrokerUnavailable
from wirefast.rooms.hub import Hub
from wirefast.routes.frontend import Fallback, PathName, check_directory
from wirefast.routes.http_methods import AppHttpMethods
from wirefast.routes.websocket_methods import AppWebSocketMethods
from wirefast.stand_in import stands_in_for
from wirefast.telemetry import TelemetryConfig
from wirefast.telemetry.config import config_of
from wirefast.telemetry.watching import exception_notes, record, room_traces
from wirefast.utils import generate_unique_id
from wirefast.websockets import WebSocket

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_REJECTIONS: dict[str | None, Callable[..., Any]] = {
    None: websocket_request_validation_exception_handler,
    "http": explain_by_http,
    "close": explain_by_close,
}


_DEFAULT_HANDLERS = frozenset((http_exception_handler, request_validation_exception_handler, *_REJECTIONS.values()))


@asynccontextmanager
async def _running(hub: Hub, traces: Any) -> AsyncIterator[None]:
    hub._traces = traces
    async with hub:
        yield


def _in_one_line(lifespan: ASGIApp) -> ASGIApp:
    """Report a broker that cannot be used by one line, without a traceback."""

    async def reporting(scope: Scope, receive: Receive, send: Send) -> None:
        async def report(message: Message) -> None:
            error = sys.exc_info()[1]
            if message["type"] == "lifespan.startup.failed" and isinstance(error, BrokerUnavailable):
                message["message"] = str(error)
            await send(message)

        await lifespan(scope, receive, report)

    return reporting


class App(
    AppDocuments,
    AppSocketDocuments,
    AppHttpMethods,
    AppWebSocketMethods,
    MessageDeclarations,
    OperatingDeclarations,
    Starlette,
):
    """The application: routes, dependencies, exception handlers, middleware and lifespan in one ASGI callable.

    Every argument of FastAPI's is here under its name and with its default.

    Args:
        debug: show tracebacks of HTTP server errors to the client.
        routes: Starlette routes to begin with.
        dependencies: run for every route of the application.
        middleware: Starlette ``Middleware`` objects, outermost first.
        exception_handlers: ``{exception class or HTTP status: handler(connection, exc)}``.
        lifespan: an async context manager of the application; what it yields becomes ``websocket.state``.
        on_startup, on_shutdown: handlers, used if there is no ``lifespan``.
        default_response_class: of HTTP operations. Default: JSON.
        redirect_slashes: see `APIRouter`. Default True.
        strict_content_type: whether a JSON body needs a JSON content type. Default True.
        max_body_size: bytes of an HTTP body; None (default) for no limit.
        form_limits: ``max_fields`` and ``max_files`` (1000 each by default), ``max_part_size`` (bytes, 1 MiB).
        root_path: deprecated as in FastAPI; set it on the server.
        title, summary, description, version, terms_of_service, contact, license_info: facts about the API, for OpenAPI.
        openapi_url, openapi_tags, openapi_external_docs, servers, root_path_in_servers, webhooks: the same.
        docs_url, redoc_url, swagger_ui_oauth2_redirect_url, swagger_ui_init_oauth, swagger_ui_parameters: the same.
        responses, callbacks, deprecated, include_in_schema, generate_unique_id_function: the same, for all operations.
        separate_input_output_schemas: the same.
        openapi_websockets: whether each socket is in the OpenAPI document, as a GET that answers 101. Default False.
        asyncapi_url: the path of the AsyncAPI document of the sockets, None for none. Default: ``/asyncapi.json``, and
            none if there is no ``openapi_url``.
        asyncapi_docs_url: the path of the page that shows this document and speaks to the sockets, None for none.
            There is none without an ``asyncapi_url`` or without a ``docs_url``. Default: ``/asyncapi``.
        explain_rejections: the answer to a handshake whose parameters are invalid. ``None`` (default):
            close code 1008 before accept, as FastAPI; ``"http"``: a 422 response with FastAPI's
            ``{"detail": [...]}``; ``"close"``: accept, then close with 1008 and the reason, for browsers,
            which show nothing of a refused handshake. A `Refuse` is then such a close too, with the code of the
            `Refuse`.
        limits: of WebSockets: how many sockets, handshakes and messages, and how long; see ``Limits``. Default: only
            the bounds of the server.
        secret_parameters: names of query parameters that logs and spans do not show, on any server. The process has one
            list. Default: ``wirefast._core.secrets.NAMES``, such as ``token`` and ``ticket``.
        origins: the web pages that may open WebSockets; others get 403. Exact origins (``"https://app.example.com"``),
            ``"https://*.example.com"`` for all hosts below one, ``"null"``, ``"*"`` for every page, or functions from
            the origin, and the connection, to a bool; see ``wirefast.limits.origins.OriginPolicy``. Programs send no
            Origin and pass. Default: a page of another origin is refused if the browser adds credentials.
        telemetry: settings of OpenTelemetry, ``TelemetryConfig``; ``{}`` for all defaults. None (default) is off, and
            costs nothing. FastAPI's telemetry is on wherever a provider is set up, and so is wirefast's under
            ``wirefast.as_fastapi``. Needs the extra ``telemetry``.
        hub: started before the lifespan and stopped after it; endpoints and dependencies get it by the annotation
            ``Hub``, also in applications that are mounted here. Default: none.
        warn_long_lived: whether the log names, once, each dependency with ``yield`` that a socket holds as long as it
            is open, such as a database session. Default False.
        metrics: the path of a page with Prometheus's metrics of all workers of this machine. None (default) is off, and
            costs nothing. Needs the extra ``metrics``.

    Raises:
        AssertionError: an ``openapi_url`` without ``title`` or ``version``.
        ValueError: another ``explain_rejections``, or an entry of ``origins`` that is no origin.
        TypeError: a ``hub`` that is no ``Hub``, ``telemetry`` with unknown settings, or ``origins`` of another type.
        ImportError: ``telemetry`` without OpenTelemetry's API.
    """

    __class__ = stands_in_for("fastapi.applications", "FastAPI")

    def __init__(
        self,
        *,
        debug: bool = False,
        routes: list[BaseRoute] | None = None,
        title: str = "FastAPI",
        summary: str | None = None,
        description: str = "",
        version: str = "0.1.0",
        openapi_url: str | None = "/openapi.json",
        openapi_tags: list[dict[str, Any]] | None = None,
        servers: list[dict[str, Any]] | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        default_response_class: type[Response] = Default(JSONResponse),
        redirect_slashes: bool = True,
        docs_url: str | None = "/docs",
        redoc_url: str | None = "/redoc",
        swagger_ui_oauth2_redirect_url: str | None = "/docs/oauth2-redirect",
        swagger_ui_init_oauth: dict[str, Any] | None = None,
        middleware: Sequence[Middleware] | None = None,
        exception_handlers: dict[int | type[Exception], Callable[..., Any]] | None = None,
        on_startup: Sequence[Callable[[], Any]] | None = None,
        on_shutdown: Sequence[Callable[[], Any]] | None = None,
        lifespan: Lifespan[Any] | None = None,
        terms_of_service: str | None = None,
        contact: dict[str, Any] | None = None,
        license_info: dict[str, Any] | None = None,
        root_path: str = "",
        root_path_in_servers: bool = True,
        responses: dict[int | str, dict[str, Any]] | None = None,
        callbacks: list[BaseRoute] | None = None,
        webhooks: routing.APIRouter | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        swagger_ui_parameters: dict[str, Any] | None = None,
        generate_unique_id_function: Callable[[routing.APIRoute], str] = Default(generate_unique_id),
        separate_input_output_schemas: bool = True,
        openapi_external_docs: dict[str, Any] | None = None,
        strict_content_type: bool = True,
        max_body_size: int | None = None,
        form_limits: dict[str, int] | None = None,
        openapi_websockets: bool = False,
        asyncapi_url: str | None = Default("/asyncapi.json"),
        asyncapi_docs_url: str | None = "/asyncapi",
        explain_rejections: Literal["http", "close"] | None = None,
        telemetry: TelemetryConfig | None = None,
        hub: Hub | None = None,
        origins: Origins | None = None,
        limits: Limits | None = None,
        secret_parameters: Collection[str] | None = None,
        warn_long_lived: bool = False,
        metrics: str | None = None,
    ) -> None:
        secrets.hide_in_logs(secret_parameters)
        if explain_rejections not in _REJECTIONS:
            raise ValueError(f'explain_rejections must be None, "http" or "close", not {explain_rejections!r}')
        if hub is not None and not isinstance(hub, Hub):
            given = f"the class {hub.__name__}" if isinstance(hub, type) else type(hub).__name__
            raise TypeError(f'hub takes a Hub, such as Hub() or Hub("redis://..."), not {given}')
        if root_path:
            warnings.warn(
                "The `root_path` parameter is deprecated. Configure the server's root path instead, "
                "for example with `wirefast run --root-path /api/v1`.",
                category=FastAPIDeprecationWarning,
                stacklevel=2,
            )
        #: The settings of telemetry; None without telemetry. Routes read them when they are declared.
        self._telemetry = config_of(telemetry)
        self.debug = debug
        self.title = title
        self.summary = summary
        self.description = description
        self.version = version
        self.terms_of_service = terms_of_service
        self.contact = contact
        self.license_info = license_info
        self.openapi_url = openapi_url
        self.openapi_tags = openapi_tags
        self.openapi_external_docs = openapi_external_docs
        self.openapi_websockets = openapi_websockets
        if isinstance(asyncapi_url, DefaultPlaceholder):
            asyncapi_url = asyncapi_url.value if openapi_url else None
        self.asyncapi_url = asyncapi_url
        self.asyncapi_docs_url = asyncapi_docs_url if asyncapi_url and docs_url else None
        self.separate_input_output_schemas = separate_input_output_schemas
        self.servers = servers or []
        self.docs_url = docs_url
        self.redoc_url = redoc_url
        self.swagger_ui_oauth2_redirect_url = swagger_ui_oauth2_redirect_url
        self.swagger_ui_init_oauth = swagger_ui_init_oauth
        self.swagger_ui_parameters = swagger_ui_parameters
        self.root_path = root_path
        self.root_path_in_servers = root_path_in_servers
        self.webhooks = webhooks or routing.APIRouter()
        self.max_body_size = max_body_size
        self.state = State()
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.router: routing.APIRouter = routing.APIRouter(
            routes=routes,
            redirect_slashes=redirect_slashes,
            dependency_overrides_provider=self,
            on_startup=on_startup,
            on_shutdown=on_shutdown,
            lifespan=lifespan,
            default_response_class=default_response_class,
            dependencies=dependencies,
            callbacks=callbacks,
            deprecated=deprecated,
            include_in_schema=include_in_schema,
            responses=responses,
            generate_unique_id_function=generate_unique_id_function,
            strict_content_type=strict_content_type,
            max_body_size=max_body_size,
            form_limits=form_limits,
            origins=origins,
            limits=limits,
        )
        self.router.admission = self.router.admission.inside(Admission.of(limits=operators_limits()))
        self.warn_long_lived = warn_long_lived
        self.hub = hub
        if hub is not None:
            traces = room_traces(self._telemetry)
            self.router.lifespan_context = merge(lambda _: _running(hub, traces), self.router.lifespan_context)
            self.router.lifespan = _in_one_line(self.router.lifespan)  # type: ignore[method-assign, assignment]
        self.exception_handlers: dict[Any, Callable[..., Any]] = dict(exception_handlers or {})
        self.exception_handlers.setdefault(HTTPException, http_exception_handler)
        if explain_rejections == "close":
            self.exception_handlers.setdefault(Refuse, refuse_by_close)
        self.exception_handlers.setdefault(RequestValidationError, request_validation_exception_handler)
        self.exception_handlers.setdefault(WebSocketRequestValidationError, _REJECTIONS[explain_rejections])
        self.user_middleware: list[Middleware] = list(middleware or ())
        self.middleware_stack: ASGIApp | None = None
        self._drain_hooks: list[DrainHook] = []
        if openapi_url and not (title and version):
            raise AssertionError("An OpenAPI document needs a title and a version; give them, or openapi_url=None")
        self.setup()
        add_socket_routes(self)
        if metrics is not None:
            self.router.routes.append(metrics_route(metrics))

    def __setattr__(self, name: str, value: Any) -> None:
        # Tools that build the stack again assign it, such as OpenTelemetry's instrumentation when it is removed.
        if name == "middleware_stack" and value is not None and self._telemetry is not None:
            value = record(value, self._telemetry)
        object.__setattr__(self, name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> App:
        """Return a copy of the application that has served nothing; the hub and what ``state`` holds are shared."""
        made = object.__new__(type(self))
        memo[id(self)] = made
        for name, value in vars(self).items():
            if name == "middleware_stack":
                made.middleware_stack = None
            elif name == "state":
                made.state = State(copy.copy(value._state))
            else:
                made.__dict__[name] = value if name in ("hub", "_telemetry") else copy.deepcopy(value, memo)
        return made

    # ---- Serving ----

    def build_middleware_stack(self) -> ASGIApp:
        """Build the stack: server errors, user middleware, exception handlers, router, from the outside in.

        Tools replace this method on an application and inspect the result: a ``ServerErrorMiddleware``.
        """
        error_handler, handlers = self._handlers()
        stack = [
            Middleware(ServerErrorMiddleware, handler=error_handler, debug=self.debug),
            *([] if self._telemetry is None else [Middleware(exception_notes())]),
            Middleware(AppBodyLimitMiddleware, max_body_size=self.max_body_size),
            *([Middleware(DenialByClose), *self.user_middleware] if self.user_middleware else ()),
            Middleware(ExceptionMiddleware, handlers=handlers, debug=self.debug),
            Middleware(AsyncExitStackMiddleware),
        ]
        app: ASGIApp = self.router
        for middleware in reversed(stack):
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        return app

    def _handlers(self) -> tuple[Any, dict[Any, Any]]:
        """Return the handler of server errors, or None, and the others by class or status."""
        error_handler = None
        handlers: dict[Any, Any] = {}
        for key, handler in with_either_class(self.exception_handlers, _DEFAULT_HANDLERS).items():
            if key in (500, Exception):
                error_handler = handler
            else:
                handlers[key] = handler
        return error_handler, handlers

    def first_stack(self) -> ASGIApp:
        """Return the application that serves all connections: the middleware stack, with a short way for WebSockets.

        The short way is taken if neither the user nor a tool has put anything between the server and the router.
        """
        stack = self._unrecorded_stack()
        if self._drain_hooks:
            stack = TellsOfDrain(stack, self._drain_hooks)
        return stack if self._telemetry is None else record(stack, self._telemetry)

    def _unrecorded_stack(self) -> ASGIApp:
        stack = self.build_middleware_stack()
        if (
            self.user_middleware
            or self.build_middleware_stack != MethodType(_BUILD_MIDDLEWARE_STACK, self)
            or not self.router.selects_by_itself()
            or connections_are_hooked()
        ):
            return stack
        _, handlers = self._handlers()
        defaults = ExceptionMiddleware(self.router)
        by_class = {HTTPException: defaults.http_exception, WebSocketException: defaults.websocket_exception}
        by_class.update((key, handler) for key, handler in handlers.items() if not isinstance(key, int))
        by_status = {key: handler for key, handler in handlers.items() if isinstance(key, int)}
        return WebSocketPipeline(
            router=self.router, tables=(by_class, by_status), outer_websocket=WebSocket, other_protocols=stack
        )

    # Serve one connection, or the lifespan (ASGI 3).
    __call__ = call_application

    # ---- Declaring ----

    def frontend(
        self,
        path: str,
        *,
        directory: PathName,
        fallback: Fallback = "auto",
        check_dir: bool | Literal["auto"] = "auto",
    ) -> None:
        """Serve a built frontend if nothing else matches; see ``APIRouter.frontend``."""
        self.router.frontend(
            path, directory=directory, fallback=fallback, check_dir=check_directory(directory, check_dir)
        )

    def include_router(
        self,
        router: routing.APIRouter,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        responses: dict[int | str, dict[str, Any]] | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
        default_response_class: type[Response] = Default(JSONResponse),
        callbacks: list[BaseRoute] | None = None,
        generate_unique_id_function: Callable[[routing.APIRoute], str] = Default(generate_unique_id),
        max_body_size: int | None = None,
        form_limits: dict[str, int] | None = None,
        origins: Origins | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Serve the routes of a router; see ``APIRouter.include_router``."""
        self.router.include_router(
            router,
            prefix=prefix,
            tags=tags,
            dependencies=dependencies,
            responses=responses,
            deprecated=deprecated,
            include_in_schema=include_in_schema,
            default_response_class=default_response_class,
            callbacks=callbacks,
            generate_unique_id_function=generate_unique_id_function,
            max_body_size=max_body_size,
            form_limits=form_limits,
            origins=origins,
            limits=limits,
        )

    def exception_handler(self, exc_class_or_status_code: int | type[Exception]) -> Callable[[Decorated], Decorated]:
        """Declare the handler of an exception class or HTTP status: ``handler(connection, exc)``.

        Args:
            exc_class_or_status_code: the class, or the status of an `HTTPException`.
        """

        def decorator(function: Decorated) -> Decorated:
            self.add_exception_handler(exc_class_or_status_code, function)
            return function

        return decorator

    def middleware(self, middleware_type: str) -> Callable[[Decorated], Decorated]:
        """Declare a function ``dispatch(request, call_next)`` around HTTP requests. It does not run for WebSockets.

        Args:
            middleware_type: ``"http"``.
        """

        def decorator(function: Decorated) -> Decorated:
            self.add_middleware(BaseHTTPMiddleware, dispatch=function)
            return function

        return decorator

    @deprecated_decorator("on_event is deprecated, use lifespan event handlers instead.")
    def on_event(self, event_type: str) -> Callable[[Decorated], Decorated]:
        """Declare a handler. Deprecated as in FastAPI: use ``lifespan``.

        Args:
            event_type: ``"startup"`` or ``"shutdown"``.
        """
        return self.router.on_event(event_type)


#: FastAPI's name of the class: a service that imports `FastAPI` from here needs no other change.
FastAPI = App

# Compared with the method in use, to notice that a tool has replaced it.
_BUILD_MIDDLEWARE_STACK = App.build_middleware_stack
