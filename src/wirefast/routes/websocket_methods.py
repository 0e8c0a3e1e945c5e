"""The decorators of APIRouter that declare WebSocket routes. FastAPI: the methods of the same names."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, TypeVar, cast

from starlette import routing
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket as StarletteWebSocket
from typing_extensions import Unpack

from wirefast import params
from wirefast.limits.admission import Admission
from wirefast.routes.advice import advise_of_missing_parentheses
from wirefast.routes.websocket import APIWebSocketRoute
from wirefast.routes.websocket_options import SocketOptions, shows_socket_options

__all__ = ["AppWebSocketMethods", "RouterWebSocketMethods"]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class RouterWebSocketMethods:
    """The decorators, which give each route the prefix and the dependencies of its router."""

    routes: list[BaseRoute]
    prefix: str
    dependencies: list[params.Depends]
    dependency_overrides_provider: Any
    _advise: Callable[[str, Collection[str] | None, Any], None]
    admission: Admission

    @shows_socket_options
    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        """Add a WebSocket route; see ``websocket``."""
        self._advise(path, None, endpoint)
        route = APIWebSocketRoute(
            self.prefix + path,
            endpoint=endpoint,
            name=name,
            dependencies=[*self.dependencies, *(dependencies or ())],
            dependency_overrides_provider=self.dependency_overrides_provider,
            **options,
        )
        route.admission = route.admission.inside(self.admission)
        route.described = route.described.under(self)
        self.routes.append(route)

    @shows_socket_options
    def websocket(
        self,
        path: str,
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Unpack[SocketOptions],
    ) -> Callable[[Decorated], Decorated]:
        """Declare a WebSocket endpoint.

        Args:
            path: below the router's prefix.
            name: for ``url_path_for``. Default: the function's name.
            dependencies: run before the endpoint, for their effect.
            per_message_deflate, max_size, send_timeout, origins, warn_long_lived: see `WebSocketOptions`.
            tags, summary, description, operation_id, deprecated, include_in_schema, receives, sends: the same.
        """

        advise_of_missing_parentheses("app.websocket", path)

        def decorator(function: Decorated) -> Decorated:
            self.add_api_websocket_route(path, function, name=name, dependencies=dependencies, **options)
            return function

        return decorator

    def websocket_route(self, path: str, name: str | None = None) -> Callable[[Decorated], Decorated]:
        """Declare a plain Starlette WebSocket route: one argument, no prefix of this router, no dependencies.

        Args:
            path: the whole path.
            name: for ``url_path_for``. Default: the function's name.
        """

        def decorator(function: Decorated) -> Decorated:
            self.add_websocket_route(path, function, name=name)
            return function

        return decorator

    def add_websocket_route(
        self, path: str, endpoint: Callable[[StarletteWebSocket], Awaitable[None]], name: str | None = None
    ) -> None:
        """Add a plain Starlette route (see `websocket_route`); the endpoint may be a ``WebSocketEndpoint`` class."""
        self.routes.append(routing.WebSocketRoute(path, endpoint=endpoint, name=name))


class AppWebSocketMethods:
    """The decorators of App, which are those of its router."""

    router: Any

    @shows_socket_options
    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        """Add a WebSocket route; see ``websocket``."""
        self.router.add_api_websocket_route(path, endpoint, name=name, dependencies=dependencies, **options)

    @shows_socket_options
    def websocket(
        self,
        path: str,
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Unpack[SocketOptions],
    ) -> Callable[[Decorated], Decorated]:
        """Declare a WebSocket endpoint.

        Args:
            path: with parameters in braces, e.g. ``/rooms/{room_id}``.
            name: for ``url_path_for``. Default: the function's name.
            dependencies: run before the endpoint, for their effect.
            per_message_deflate: whether messages are compressed (RFC 7692) where the client offers it. Default: as the
                server is set.
            max_size: bytes of a message from the client, then close 1009. Only a bound below ``--ws-max-size`` counts.
                Default: that.
            send_timeout: seconds that a send may wait for the peer to read, then close 1013. Default: for ever.
            origins: the web pages that may connect. Default: those of the router.
            warn_long_lived: whether the log names dependencies with ``yield``, which last as long as the socket.
                Default: as the application.
            tags, summary, description, operation_id, deprecated, include_in_schema, receives, sends: for documents;
                see `WebSocketOptions`.

        All but the first three are wirefast's; the next three need wirefast's own server protocol.
        """
        declare = self.router.websocket(path, name=name, dependencies=dependencies, **options)
        return cast("Callable[[Decorated], Decorated]", declare)

    def websocket_route(self, path: str, name: str | None = None) -> Callable[[Decorated], Decorated]:
        """Declare a plain Starlette WebSocket route, without parameters; see `APIRouter.websocket_route`."""
        declare = self.router.websocket_route(path, name=name)
        return cast("Callable[[Decorated], Decorated]", declare)


# What Python's own errors about their arguments call them, as FastAPI's.
for _owner, _shown in ((RouterWebSocketMethods, "APIRouter"), (AppWebSocketMethods, "App")):
    for _name in ("add_api_websocket_route", "websocket", "websocket_route"):
        _method = getattr(_owner, _name)
        _method.__qualname__ = inspect.unwrap(_method).__qualname__ = f"{_shown}.{_name}"
