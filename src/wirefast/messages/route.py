"""The route of typed messages: makes one plan for the handshake and a table for the messages of its handlers."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from weakref import ref

from typing_extensions import Unpack

from wirefast import params
from wirefast._core.message_input import MessageInput
from wirefast._core.message_table import MessageHandler, MessageTable
from wirefast._core.messages import serve_messages
from wirefast._core.plan_cache import PlanCache
from wirefast._core.session import WebSocketSession
from wirefast._core.source_location import note_declaration
from wirefast.dependencies import message_types
from wirefast.dependencies.analysis import get_parameterless_sub_dependant
from wirefast.dependencies.long_lived import NamingPlanner
from wirefast.dependencies.message_planning import Handshake, make_message_plan
from wirefast.dependencies.models import place_of
from wirefast.exception_handlers import (
    explain_by_close,
    explain_by_http,
    http_exception_handler,
    request_validation_exception_handler,
    websocket_request_validation_exception_handler,
)
from wirefast.exceptions import FastAPIError
from wirefast.messages.errors import Explain
from wirefast.messages.handlers import Declared, Handler, analyse
from wirefast.messages.incoming import frame_target, json_target
from wirefast.messages.measuring import measured
from wirefast.routes.advice import advise_of_handlers
from wirefast.routes.live_copy import OWN
from wirefast.routes.websocket import APIWebSocketRoute
from wirefast.routes.websocket_options import SocketOptions
from wirefast.websockets import WebSocket

_DEFAULT_HANDLERS = frozenset(
    {
        explain_by_close,
        explain_by_http,
        http_exception_handler,
        request_validation_exception_handler,
        websocket_request_validation_exception_handler,
    }
)


#: The default number of invalid messages in a row after which the socket is closed.
MAX_INVALID = 10
#: The default number of concurrent handlers that run at once for one socket.
IN_FLIGHT = 8


@dataclass(eq=False)
class Registry:
    """The declarations of one route, under all its includes. `declaring.RouteOptions` describes the settings."""

    sends: Any = None
    tag: str = "type"
    on_invalid: Literal["reply", "close", "ignore"] = "reply"
    on_error: Literal["reply", "close"] = "reply"
    max_invalid: int = MAX_INVALID
    in_flight: int = IN_FLIGHT
    include_input: bool = False
    #: The place of the declaration: file and line, for errors.
    place: str = ""
    handlers: list[Declared] = field(default_factory=list)
    #: The declared route and its copies under includes.
    routes: list[ref[MessageRoute]] = field(default_factory=list)
    #: Called after each addition.
    changed: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("on_invalid", self.on_invalid, ("reply", "close", "ignore")),
            ("on_error", self.on_error, ("reply", "close")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
        for name, number in (("max_invalid", self.max_invalid), ("in_flight", self.in_flight)):
            if type(number) is not int or not 1 <= number <= 2**31 - 1:
                raise ValueError(f"{name} is a positive integer, not {number!r}")
        if not isinstance(self.tag, str) or not self.tag or self.tag == "ref":
            raise ValueError(f'tag is the name of a member, and not "ref"; not {self.tag!r}')

    def add(self, declared: Declared) -> None:
        """Add a handler. Nothing changes if that raises."""
        self.handlers.append(declared)
        try:
            self.build()
        except BaseException:
            self.handlers.remove(declared)
            self.build()
            raise
        self.changed()

    def build(self) -> None:
        """Analyse every route again."""
        self.routes = [reference for reference in self.routes if reference() is not None]
        for route in filter(None, [reference() for reference in self.routes]):
            route._analyse()


class MessageRoute(APIWebSocketRoute):
    """A WebSocket route whose messages go to handlers.

    Args:
        path: with parameters in braces.
        registry: the handlers and settings.
        endpoint: the value of ``scope["endpoint"]``.
        name: for ``url_path_for``.
        dependencies: run before those of the handlers; message-scoped ones for each message.
        dependency_overrides_provider: the object whose ``dependency_overrides`` apply; usually the App.
        per_message_deflate, max_size, send_timeout, origins, warn_long_lived: see `WebSocketOptions`.
    """

    def __init__(
        self,
        path: str,
        registry: Registry,
        *,
        endpoint: Callable[..., Any],
        name: str,
        dependencies: Sequence[params.Depends] | None = None,
        dependency_overrides_provider: Any | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        self.registry = registry
        super().__init__(
            path,
            endpoint,
            name=name,
            dependencies=dependencies,
            dependency_overrides_provider=dependency_overrides_provider,
            **options,
        )

    def _advise(self) -> None:
        """Warn of nothing: the handlers come later, and the registration of a handler reports its errors."""

    def advise_at_start(self) -> None:
        """Warn of parameters of handlers, when all handlers are there."""
        handlers = [(each.declared.call, each.dependant) for each in self.handlers]
        advise_of_handlers(self.path_format, self.dependant.dependencies, handlers)

    def _analyse(self) -> None:
        """Analyse the handlers; called again for each new handler, and for each include."""
        super()._analyse()
        if self.unresolved is not None:
            self.handlers: list[Handler] = []

    def _analyse_endpoint(self) -> None:
        if not any(reference() is self for reference in self.registry.routes):
            self.registry.routes.append(ref(self))
        path = self.path_format
        per_message = [item for item in self.dependencies if item.scope == "message"]
        before_all = [*self._claims, *self.dependencies]
        all_of_route = [get_parameterless_sub_dependant(depends=item, path=path) for item in before_all]
        handshake = Handshake(path, all_of_route)
        handlers = []
        known = {id(handler.declared): handler for handler in getattr(self, "handlers", ())}
        for declared in self.registry.handlers:
            with_messages = declared.role in ("message", "listener")
            before = per_message if with_messages else []
            handler = known.get(id(declared))
            if handler is None or handler.under != (path, before):
                try:
                    handler = analyse(declared, path, before)
                except (AssertionError, FastAPIError, TypeError, ValueError) as exc:
                    note_declaration(exc, declared.call, path)
                    raise
            handshake.add(handler.dependant)
            handlers.append(handler)
        targets = _Targets(self, handshake, handlers, known)
        #: The handlers, for documents.
        self.handlers = handlers
        names = handshake.names

        def start(websocket: WebSocket, **values: Any) -> Any:
            return serve_messages(targets.table(), websocket, [values[name] for name in names])

        self.dependant = handshake.dependant(start)
        planner = NamingPlanner(self.path, self.dependency_overrides_provider, self.options.warn_long_lived)
        self.app = WebSocketSession(
            websocket_class=WebSocket,
            plans=PlanCache(dependant=self.dependant, make_plan=planner, provider=self.dependency_overrides_provider),
            invalid=self._validation_error,
            options=self.options.given(),
        )


async def _nothing(websocket: WebSocket) -> None: ...


OWN[MessageRoute] = lambda: MessageRoute("/", Registry(), endpoint=_nothing, name="nothing")


class _Targets:
    """The table of a route: checked when the route is declared, made for the first socket."""

    def __init__(
        self, route: MessageRoute, handshake: Handshake, handlers: list[Handler], known: Container[int]
    ) -> None:
        self.route = route
        self.handshake = handshake
        self.handlers = handlers
        self.registry = route.registry
        self._table: MessageTable | None = None
        # The type to validate by, and the handler, by each tag.
        self.by_tag: dict[bytes, tuple[Any, Handler]] = {}
        self.alone: dict[str, Handler] = {}
        for handler in handlers:
            self._add(handler)
            self._check_replies(handler)
            # Errors in the parameters of the handler are raised by the declaration too.
            if id(handler.declared) not in known:
                make_message_plan(self.handshake, handler.message, handler.parameter, handler.dependant)
        if "str" in self.alone and "bytes" in self.alone and (self.by_tag or "listener" in self.alone):
            raise FastAPIError(
                f"{self.alone['str'].declared.place} and {self.alone['bytes'].declared.place} take all frames, so "
                "nothing is left for the other handlers of the route."
            )

    def _add(self, handler: Handler) -> None:
        declared = handler.declared
        if declared.role != "message":
            self._alone(declared.role, handler)
        elif handler.raw:
            self._alone(message_types.name_of(handler.message), handler)
        else:
            for tag, annotation in self._tags(handler).items():
                if tag in self.by_tag:
                    raise FastAPIError(
                        f"{declared.place} and {self.by_tag[tag][1].declared.place} both take messages with the "
                        f"{self.registry.tag} {tag.decode()}."
                    )
                self.by_tag[tag] = annotation, handler

    def _alone(self, role: str, handler: Handler) -> None:
        if role in self.alone:
            raise FastAPIError(
                f"{handler.declared.place} and {self.alone[role].declared.place} both handle {_ROLES[role]}."
            )
        self.alone[role] = handler

    def _tags(self, handler: Handler) -> dict[bytes, Any]:
        """Return the tags of a handler's messages, each with the type of its messages."""
        if handler.tags is None:
            handler.tags = self._find_tags(handler)
        return handler.tags

    def _find_tags(self, handler: Handler) -> dict[bytes, Any]:
        declared, name = handler.declared, self.registry.tag
        if declared.tags:
            return {message_types.tag_key(tag): handler.message for tag in declared.tags}
        found, untagged = message_types.by_tag(handler.message, name)
        if untagged:
            raise FastAPIError(
                f"{declared.place} takes {place_of(untagged[0])}, which has no tag: give the model a member "
                f'`{name}: Literal[...]`, or give the tag to the decorator: on("tag").'
            )
        return found

    def _check_replies(self, handler: Handler) -> None:
        if self.registry.sends is None or handler.replies in (None, type(None)):
            return
        sends = message_types.leaves(self.registry.sends)
        for leaf in message_types.leaves(handler.replies):
            if leaf not in sends and leaf not in (type(None), str, bytes):
                raise FastAPIError(
                    f"{handler.declared.place} returns {place_of(leaf)}, which the route "
                    f"{self.route.path!r} ({self.registry.place}) does not send: "
                    f"sends={' | '.join(map(message_types.name_of, sends))}."
                )

    def table(self) -> MessageTable:
        if self._table is None:
            self._table = self._make_table()
        return self._table

    def _make_table(self) -> MessageTable:
        registry, alone = self.registry, self.alone
        made: dict[int, MessageHandler] = {id(handler): self._handler(handler) for handler in self.handlers}
        validators: dict[int, Callable[[Any], Any]] = {}
        targets = {}
        for key, (annotation, handler) in self.by_tag.items():
            if id(annotation) not in validators:
                validators[id(annotation)] = message_types.validator_of(annotation)
            targets[key] = json_target(annotation, made[id(handler)], registry.tag, validators[id(annotation)])
        only = text = binary = None
        for name in ("listener", "str", "bytes"):
            if (handler_alone := alone.get(name)) is None:
                continue
            if handler_alone.message is str:
                text = frame_target(made[id(handler_alone)])
            elif handler_alone.message is bytes:
                binary = frame_target(made[id(handler_alone)])
            if name == "listener":
                only = json_target(handler_alone.message, made[id(handler_alone)], "")

        def role(name: str) -> MessageHandler | None:
            return made[id(alone[name])] if name in alone else None

        types = list({id(handler.message): handler.message for handler in self.handlers if handler.message}.values())
        return MessageTable(
            input=MessageInput(
                tag="" if only is not None else registry.tag,
                targets=targets,
                only=only,
                text=text,
                binary=binary,
                explain=Explain(types, registry.include_input),
            ),
            stream=role("stream"),
            opened=role("connect"),
            ended=role("disconnect"),
            given=len(self.handshake),
            on_invalid=registry.on_invalid,
            max_invalid=registry.max_invalid,
            in_flight=registry.in_flight,
            closes_on_error=registry.on_error == "close",
            invalid=self.route._validation_error,
            default_handlers=_DEFAULT_HANDLERS,
        )

    def _handler(self, handler: Handler) -> MessageHandler:
        handler = measured(handler, self.route.path)
        declared = handler.declared
        replies = handler.replies if handler.replies is not None else self.registry.sends
        for model in message_types.leaves(replies):
            message_types.complete(model, declared.call)
        return MessageHandler(
            call=handler.call,
            plans=PlanCache(
                dependant=handler.dependant,
                make_plan=partial(make_message_plan, self.handshake, handler.message, handler.parameter),
                provider=self.route.dependency_overrides_provider,
            ),
            kind=handler.kind,
            concurrent=declared.concurrent,
            cancels=declared.cancel_on_disconnect and declared.role not in ("connect", "disconnect"),
            replies=message_types.replies_of(replies, declared.reply_options),
        )


_ROLES = {
    "connect": "the beginning of a socket", "disconnect": "the end of a socket", "listener": "the messages of a socket",
    "stream": "the stream of a socket", "str": "text frames", "bytes": "binary frames",
}  # fmt: skip
