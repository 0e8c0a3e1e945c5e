"""The decorators of App and APIRouter that declare WebSocket routes. FastAPI: the methods of the same names."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Sequence
from types import FunctionType
from typing import Any, TypeVar

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


class WebSocketMethods:
    """The decorators, in terms of ``add_api_websocket_route``."""

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        """Add a WebSocket route; see ``websocket``.

        Args:
            path: below the router's prefix, with parameters in braces, e.g. ``/rooms/{room_id}``.
            endpoint: the function of the route.
            name: for ``url_path_for``. Default: the function's name.
            dependencies: run before the endpoint, for their effect.
            options: see `WebSocketOptions`.

        Raises:
            NotImplementedError: here; routers and applications have their own.
        """
        raise NotImplementedError

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
            path: below the router's prefix, with parameters in braces, e.g. ``/rooms/{room_id}``.
            name: for ``url_path_for``. Default: the function's name.
            dependencies: run before the endpoint, for their effect.
            per_message_deflate: whether messages are compressed (RFC 7692) if the client offers it. Default: as the
                server is set.
            max_size: bytes of a message from the client; a larger message closes the socket with 1009. Only a bound
                below ``--ws-max-size`` counts. Default: that of the server.
            send_timeout: seconds that a send may wait for the peer to read; a longer wait closes the socket with 1013.
                Default: no limit.
            origins: the web pages that may connect. Default: those of the router.
            warn_long_lived: whether the log names dependencies with ``yield``, which last as long as the socket.
                Default: as the application.
            tags, summary, description, operation_id, deprecated, include_in_schema, receives, sends: for documents; see
                `WebSocketOptions`.

        FastAPI has ``path``, ``name`` and ``dependencies``; the others are wirefast's. ``per_message_deflate``,
        ``max_size`` and ``send_timeout`` need wirefast's own server protocol.
        """
        advise_of_missing_parentheses("app.websocket", path)

        def decorator(function: Decorated) -> Decorated:
            self.add_api_websocket_route(path, function, name=name, dependencies=dependencies, **options)
            return function

        return decorator

    def websocket_route(self, path: str, name: str | None = None) -> Callable[[Decorated], Decorated]:
        """Declare a plain Starlette WebSocket route: one argument, no prefix of the router, no dependencies.

        Args:
            path: the whole path.
            name: for ``url_path_for``. Default: the function's name.
        """

        def decorator(function: Decorated) -> Decorated:
            router: Any = getattr(self, "router", self)
            router.add_websocket_route(path, function, name=name)
            return function

        return decorator


class RouterWebSocketMethods(WebSocketMethods):
    """The decorators of APIRouter, which give each route the prefix and the dependencies of the router."""

    routes: list[BaseRoute]
    prefix: str
    dependencies: list[params.Depends]
    dependency_overrides_provider: Any
    _advise: Callable[[str, Collection[str] | None, Any], None]
    admission: Admission

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

    def add_websocket_route(
        self, path: str, endpoint: Callable[[StarletteWebSocket], Awaitable[None]], name: str | None = None
    ) -> None:
        """Add a plain Starlette route; see `websocket_route`. The endpoint may be a ``WebSocketEndpoint`` class."""
        self.routes.append(routing.WebSocketRoute(path, endpoint=endpoint, name=name))


class AppWebSocketMethods(WebSocketMethods):
    """The decorators of App, which add to the router of the application."""

    router: Any

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


def _give(owner: type[Any], name: str, shown: str) -> None:
    """Give a class a method of its own whose errors name the class that users see.

    Args:
        owner: the class, which may inherit the method.
        name: the name of the method.
        shown: the name of the class in Python's errors about the arguments, as FastAPI's errors have it.
    """
    method: FunctionType = getattr(owner, name)
    made = FunctionType(method.__code__, method.__globals__, name, method.__defaults__, method.__closure__)
    functools.update_wrapper(made, method)
    del made.__wrapped__  # type: ignore[attr-defined]
    made.__kwdefaults__ = method.__kwdefaults__
    made.__qualname__ = f"{shown}.{name}"
    setattr(owner, name, made if name == "websocket_route" else shows_socket_options(made))


for _owner, _shown in ((RouterWebSocketMethods, "APIRouter"), (AppWebSocketMethods, "App")):
    for _name in ("add_api_websocket_route", "websocket", "websocket_route"):
        _give(_owner, _name, _shown)
