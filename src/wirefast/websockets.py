"""WebSocket, its states and its exceptions: the names of ``fastapi.websockets`` and of ``starlette.websockets``."""

import asyncio
import inspect
from functools import partial
from typing import Any, Literal, cast

from starlette.websockets import WebSocket as _StarletteWebSocket
from starlette.websockets import WebSocketClose as WebSocketClose
from starlette.websockets import WebSocketDisconnect as WebSocketDisconnect
from starlette.websockets import WebSocketState as WebSocketState
from typing_extensions import TypeVar

try:
    from starlette.websockets import WebSocketDisconnected as WebSocketDisconnected
except ImportError:  # a Starlette without this name
    WebSocketDisconnected = RuntimeError  # type: ignore[assignment,misc]

from wirefast._core import clock, close, fanout, metered
from wirefast._core.errors import UnexpectedFrame as UnexpectedFrame
from wirefast._core.message_scope import MessageScope, MessageScopes
from wirefast._core.outbox import Policy, PolicyName
from wirefast._core.sender import Buffered as Buffered
from wirefast._core.typed_websocket import TypedWebSocketCore
from wirefast.exceptions import Refuse
from wirefast.metrics.catalogue import FAMILIES


class _EqualToStarlettes(type(_StarletteWebSocket)):  # type: ignore[misc]
    """The metaclass of `WebSocket`. As a key of a dict, `WebSocket` equals Starlette's class: containers inject by
    type."""

    def __eq__(cls, other: object) -> bool:
        return cls is other or {id(cls), id(other)} == _BOTH

    def __hash__(cls) -> int:
        return hash(_StarletteWebSocket) if id(cls) in _BOTH else type.__hash__(cls)

    # The cache of abstract classes compares its keys, so it would take Starlette's objects for ours.
    def __instancecheck__(cls, instance: object) -> bool:
        return type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return type.__subclasscheck__(cls, subclass)


_BOTH: set[int] = set()


#: The type parameter of `WebSocket`: the type of the messages that it sends. Default: any.
Sent = TypeVar("Sent", contravariant=True, default=Any)


class WebSocket(TypedWebSocketCore[Sent], _StarletteWebSocket, metaclass=_EqualToStarlettes):
    """One WebSocket connection: Starlette's class with its messages compiled.

    A real subclass of ``starlette.websockets.WebSocket``: ``isinstance`` holds, the two classes are equal as keys, so
    that a container that injects by type finds the socket under either, attributes can be set, and
    everything of ``HTTPConnection`` (``headers``, ``query_params``, ``cookies``, ``state``, ...) is there.

    ``WebSocket[Said | Joined]`` is the same class at run time. Type checkers read that ``send_message`` takes these
    types.

    Args:
        scope: the ASGI scope, of type ``websocket``.
        receive: the ASGI receive callable.
        send: the ASGI send callable.
    """

    # Set if the endpoint has message-scoped dependencies.
    _message_scopes: MessageScopes | None = None
    # A class with a compiled base shows no signature of its own.
    __signature__ = inspect.signature(_StarletteWebSocket)

    def message_scope(self) -> MessageScope:
        """Open the scope of one message, for dependencies declared with ``scope="message"``. wirefast only.

        ``async with websocket.message_scope():`` solves these dependencies. Inside the block, the endpoint's parameters
        stand for their values. The end of the block, or an exception of the block, ends the dependencies. ``as values``
        gives the values as attributes with the names of the parameters. Each task may open a scope of its own.

        Raises:
            RuntimeError: no dependency of this socket's endpoint has that scope.
        """
        scopes = self._message_scopes
        if scopes is None:
            raise RuntimeError('no dependency of this endpoint is declared with Depends(..., scope="message")')
        return scopes.enter()

    def try_send(
        self, data: Any, *, policy: PolicyName | Policy = "drop_new", key: str | int | None = None
    ) -> Literal["sent", "queued", "dropped"]:
        """Send without waiting: now, or from the outbox when the peer reads again, or not at all. wirefast only.

        Messages keep their order, also with those of ``send_text`` and of hubs. Another ASGI server than ours does not
        tell whether the peer reads; there a message is first ``"queued"`` for a task that awaits the server's ``send``.

        Args:
            data: a str is sent as text, bytes as binary, anything else as JSON text.
            policy: what happens when too much waits; a name or a ``wirefast.rooms.Policy``. Default: this message is
                dropped.
            key: for ``"conflate"``: this message replaces earlier messages of ``try_send`` that have the same key.
                Default: no key; it replaces those without a key.

        Returns:
            ``"sent"``: the message leaves with this turn of the event loop. ``"queued"``: the message waits.
            ``"dropped"``: the policy dropped the message, or the socket has ended.

        Raises:
            RuntimeError: not accepted yet.
            TypeError: the value has no JSON form, or the key has another type.
            ValueError: an unknown policy, the policy ``"wait"``, or a message that is larger than the policy's
                ``max_bytes``.
        """
        answer = fanout.try_send(self, data, policy, fanout.check_key(key))
        return cast(Literal["sent", "queued", "dropped"], answer)

    @property
    def buffered(self) -> Buffered:
        """The messages that wait: ``messages``, ``bytes``, ``age`` of the oldest in seconds. wirefast only.

        Messages wait here while the transport holds more than 64 KiB; on another server, while its ``send`` has not
        taken them. ``dropped`` counts the messages that policies have dropped.
        """
        return fanout.buffered(self)

    # ---- Expiry ----

    @property
    def expires_at(self) -> float | None:
        """The time when the permission of the socket ends, such as a token's ``exp``: seconds since 1970.

        At that time, by the clock of the machine, the socket is closed with 4401, ``permission expired``. Set a later
        time to renew the permission, None for no end. Before ``accept()`` a time in the past is a `Refuse` with 401. A
        thousand expiries cost one timer. wirefast only; for sockets of wirefast's routes.

        Raises:
            TypeError: the time is no number.
            Refuse: the time is past, and the socket is not accepted.
        """
        meter = metered.meter_of(self, False)
        at = None if meter is None else meter.expires_at
        return None if at is None or at == float("inf") else at

    @expires_at.setter
    def expires_at(self, at: float | None) -> None:
        if at is not None and (isinstance(at, bool) or not isinstance(at, (int, float)) or at != at):
            raise TypeError(f"expires_at takes seconds since 1970, not {at!r}")
        if at is not None and at <= clock.wall_time() and self.application_state is WebSocketState.CONNECTING:
            raise Refuse(401, close.EXPIRED, code=close.UNAUTHORIZED)
        meter = metered.meter_of(self, True)
        if meter is None:
            raise AssertionError
        meter.expire(at, _expire)

    def warn_before_expiry(self, before: float, warning: Any) -> None:
        """Warn the client, or call a function, some seconds before the socket expires. wirefast only.

        Args:
            before: seconds.
            warning: a message, as for ``try_send``, or a function of the WebSocket, which may be a coroutine function.
                The message is sent, or the function called, once for each value of ``expires_at``.

        Raises:
            ValueError: seconds below 0.
        """
        if not before >= 0:
            raise ValueError(f"before takes seconds, at least 0, not {before!r}")
        meter = metered.meter_of(self, True)
        if meter is None:
            raise AssertionError
        meter.warn(before, partial(_warn, warning), _expire)


def _warn(warning: Any, websocket: WebSocket) -> None:
    if not callable(warning):
        websocket.try_send(warning)
        return
    found = warning(websocket)
    if inspect.iscoroutine(found):
        task = asyncio.ensure_future(found)
        _warnings.add(task)
        task.add_done_callback(_warnings.discard)


_warnings: set[asyncio.Future[Any]] = set()
_expiries = FAMILIES["wirefast_expiries_total"]


def _expire(websocket: _StarletteWebSocket, code: int, reason: str) -> None:
    _expiries.of().add()
    dismiss(websocket, code, reason)


def dismiss(websocket: _StarletteWebSocket | None, code: int, reason: str) -> None:
    """Close an accepted socket from outside of its handler; nothing happens if the socket has ended.

    wirefast only.

    Args:
        websocket: the socket.
        code: the close code.
        reason: at most 123 bytes of UTF-8.
    """
    if websocket is not None and getattr(websocket, "connected", False):
        fanout.RoomMember(websocket, fanout.outlet_of(websocket)).dismiss(code, reason)


_BOTH.update((id(WebSocket), id(_StarletteWebSocket)))
