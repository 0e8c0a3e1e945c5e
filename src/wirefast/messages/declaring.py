"""How routes of typed messages are declared, on an App and on an APIRouter."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from typing_extensions import TypedDict, Unpack

from wirefast import params
from wirefast.messages.handlers import Declared
from wirefast.messages.route import MessageRoute, Registry
from wirefast.routes.websocket_options import CommonOptions

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class RouteOptions(CommonOptions, total=False):
    """The options of every route of messages. wirefast only.

    Attributes:
        name: for ``url_path_for``. Default: the function's name; for ``messages`` the path, with ``_`` in place of
            other characters.
        dependencies: run before those of the handlers, for their effect; those of scope ``"message"`` for each message.
        per_message_deflate, max_size, send_timeout, origins, warn_long_lived: see `WebSocketOptions`.
        tags, summary, description, operation_id, deprecated, include_in_schema: the same.
        on_invalid: what happens to a message that is not valid, has no known tag or is no JSON: ``"reply"`` an error,
            ``"close"`` with 1008, or ``"ignore"``. Default: ``"reply"``.
        max_invalid: how many invalid messages in a row close the socket with 1008. Default: 10.
        on_error: what happens after an unexpected exception of a handler, whose traceback is logged: ``"reply"`` the
            error ``internal``, or ``"close"`` with 1011. Default: ``"reply"``.
        in_flight: how many handlers that are ``concurrent`` run at once for one socket. Default: 8.
        include_input: whether errors hold what the client sent. Default: False.
    """

    name: str | None
    dependencies: Sequence[params.Depends] | None
    on_invalid: Literal["reply", "close", "ignore"]
    max_invalid: int
    on_error: Literal["reply", "close"]
    in_flight: int
    include_input: bool


class HandlerOptions(TypedDict, total=False):
    """The options of every handler of messages. wirefast only.

    Attributes:
        concurrent: whether the handlers of later messages run at the same time. Default: False.
        cancel_on_disconnect: whether the handler is cancelled when the peer has left. Default: True.
        response_model_include, response_model_exclude, response_model_by_alias, response_model_exclude_unset,
            response_model_exclude_defaults, response_model_exclude_none: how replies are written, as for HTTP.
        operation_id: the name of the handler in documents and in generated clients. Default: the channel's and the
            function's name.
        summary, description: in documents. Default: the function's name in words, and its docstring.
    """

    concurrent: bool
    cancel_on_disconnect: bool
    response_model_include: Any
    response_model_exclude: Any
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    operation_id: str | None
    summary: str | None
    description: str | None


class Messages:
    """The messages of one path: declares their handlers. Made by ``app.messages()`` and ``router.messages()``.

    A handler's parameters are those of a ``websocket()`` endpoint. The parameter with a model as its annotation, like
    the body of an HTTP operation, gets the message. Parameters of the handshake are solved once for a socket. The
    values that the handler returns or yields are sent, except None. wirefast only.

    Args:
        registry: the declarations so far.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @overload
    def on(self, function: Decorated, /) -> Decorated: ...
    @overload
    def on(self, *tags: str | int, **options: Unpack[HandlerOptions]) -> Callable[[Decorated], Decorated]: ...
    def on(self, *tags: Any, **options: Unpack[HandlerOptions]) -> Any:
        """Declare the handler of a kind of message: ``@room.on``, ``@room.on("say")`` or ``@room.on(concurrent=True)``.

        The tags are those of the message's model (its ``Literal``), unless they are given here. With given tags the
        model needs none, and a handler without a model gets the members of the message by the names of its parameters.
        A parameter of the type ``str`` or ``bytes`` gets whole text or binary frames.

        Args:
            function: the handler, if the decorator has no arguments.
            *tags: of the messages. Default: those of the model.
            **options: see `HandlerOptions`.

        Raises:
            TypeError: an unknown option, or a tag of another type.
            FastAPIError: a model without a tag, a tag that another handler has, a reply that the route does not send,
                no parameter for the message, a dependency whose scope does not fit.
        """
        if len(tags) == 1 and callable(tags[0]) and not options:
            return self._add("message", tags[0], (), {})
        for tag in tags:
            if not isinstance(tag, (str, int)) or isinstance(tag, bool):
                raise TypeError(f"a tag is a str or an int, not {type(tag).__name__}")
        return lambda function: self._add("message", function, tags, options)

    def on_connect(self, function: Decorated) -> Decorated:
        """Declare the function that runs before a socket is accepted. Without one every socket is accepted.

        An exception refuses the socket as in a ``websocket()`` endpoint. After the function the socket is accepted,
        unless the function has accepted it, and the result of the function is sent.
        """
        return self._add("connect", function, (), {})

    def on_disconnect(self, function: Decorated) -> Decorated:
        """Declare the function that runs once at the end of a socket whose ``on_connect`` has begun.

        A parameter with the annotation `Disconnect` gets the code and the reason.
        """
        return self._add("disconnect", function, (), {})

    def _add(self, role: Any, function: Decorated, tags: Sequence[Any], options: Mapping[str, Any]) -> Decorated:
        self._registry.add(_declared_handler(role, function, tags, options))
        return function


def _declared_handler(role: Any, function: Any, tags: Sequence[Any], options: Mapping[str, Any]) -> Declared:
    """Check a handler's options and return the handler with them."""
    if not callable(function):
        raise TypeError(f"a handler is a function, not {type(function).__name__}")
    given = dict(options)
    concurrent, cancels = given.pop("concurrent", False), given.pop("cancel_on_disconnect", True)
    described = {name: given.pop(name, None) for name in ("operation_id", "summary", "description")}
    replies = {}
    for name in list(given):
        if name not in HandlerOptions.__annotations__:
            raise TypeError(f"a handler takes no {name!r}")
        replies[name.removeprefix("response_model_")] = given[name]
    return Declared(function, role, tuple(tags), concurrent, cancels, replies, **described)


class MessageDeclarations:
    """``messages()``, ``websocket_listener()`` and ``websocket_stream()``, for App and APIRouter."""

    def _message_router(self) -> Any:
        """Return the router that gets the routes."""
        return getattr(self, "router", self)

    def messages(self, path: str, *, sends: Any = None, tag: str = "type", **options: Unpack[RouteOptions]) -> Messages:
        """Declare a WebSocket path whose messages go to handlers by their tag. wirefast only.

        Args:
            path: below the router's prefix.
            sends: a union of the models that handlers may return; their annotations are checked against it. Default:
                any.
            tag: the name of the member that says which kind a message is. Default: ``"type"``.
            **options: see `RouteOptions`.

        Returns:
            A `Messages`, whose ``on``, ``on_connect`` and ``on_disconnect`` declare the handlers.

        Raises:
            ValueError, TypeError: an unknown option, or an invalid value.
        """
        caller = sys._getframe(1)
        place = f"{caller.f_code.co_filename}:{caller.f_lineno}"
        registry = _registry(options, sends=sends, tag=tag, place=place)
        name = options.get("name") or re.sub(r"\W+", "_", re.sub(r":\w+}", "}", path)).strip("_") or "messages"
        declared = Messages(registry)

        async def endpoint() -> None: ...

        endpoint.__name__ = endpoint.__qualname__ = name
        _add_route(self._message_router(), path, registry, endpoint, name, options)
        return declared

    def websocket_listener(self, path: str, **options: Any) -> Callable[[Decorated], Decorated]:
        """Declare a function that is called with each message of a socket; its result is sent. wirefast only.

        The first parameter that is neither in the path nor declared otherwise gets the message: validated from JSON, or
            the frame itself if its type is ``str`` or ``bytes``. Messages have no tag.

        Args:
            path: below the router's prefix.
            **options: see `RouteOptions` and `HandlerOptions`.
        """
        return self._one_handler("listener", path, options)

    def websocket_stream(self, path: str, **options: Any) -> Callable[[Decorated], Decorated]:
        """Declare an asynchronous generator whose items are sent to each socket. wirefast only.

        Messages of the peer are dropped. The end of the socket cancels the generator. The end of the generator closes
        the socket with 1000, an unexpected exception with 1011.

        Args:
            path: below the router's prefix.
            **options: see `RouteOptions` and `HandlerOptions`.
        """
        return self._one_handler("stream", path, {"on_error": "close", **options})

    def _one_handler(self, role: Any, path: str, options: Mapping[str, Any]) -> Callable[[Decorated], Decorated]:
        of_route: Any = {key: value for key, value in options.items() if key in RouteOptions.__annotations__}
        of_handler = {key: value for key, value in options.items() if key not in of_route}
        registry = _registry(of_route)

        def decorator(function: Decorated) -> Decorated:
            registry.handlers.append(_declared_handler(role, function, (), of_handler))
            name = of_route.get("name") or getattr(function, "__name__", type(function).__name__)
            _add_route(self._message_router(), path, registry, function, name, of_route)
            return function

        return decorator


_SETTINGS = ("on_invalid", "max_invalid", "on_error", "in_flight", "include_input")


def _registry(options: Mapping[str, Any], **more: Any) -> Registry:
    for name in options:
        if name not in RouteOptions.__annotations__:
            raise TypeError(f"a route of messages takes no {name!r}")
    return Registry(**{name: options[name] for name in _SETTINGS if name in options}, **more)


def _add_route(
    router: Any, path: str, registry: Registry, endpoint: Callable[..., Any], name: str, options: Mapping[str, Any]
) -> None:
    route = MessageRoute(
        router.prefix + path,
        registry,
        endpoint=endpoint,
        name=name,
        dependencies=[*router.dependencies, *(options.get("dependencies") or ())],
        dependency_overrides_provider=router.dependency_overrides_provider,
        **{name: value for name, value in options.items() if name in CommonOptions.__annotations__},
    )
    route.admission = route.admission.inside(router.admission)
    route.described = route.described.under(router)
    registry.changed = router._thaw
    router.routes.append(route)
