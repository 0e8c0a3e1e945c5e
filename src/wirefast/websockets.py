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
except ImportError:  # Starlette before it had a name for this
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
    """The class of the class `WebSocket`, which as a key stands for Starlette's: containers inject by type."""

    def __eq__(cls, other: object) -> bool:
        return cls is other or {id(cls), id(other)} == _BOTH

    def __hash__(cls) -> int:
        return hash(_StarletteWebSocket) if id(cls) in _BOTH else type.__hash__(cls)

    # A cache of abstract classes, which compares, would take Starlette's objects for ours.
    def __instancecheck__(cls, instance: object) -> bool:
        return type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return type.__subclasscheck__(cls, subclass)


_BOTH: set[int] = set()


#: The type parameter of `WebSocket`: what it sends. Bare, a WebSocket sends anything.
Sent = TypeVar("Sent", contravariant=True, default=Any)


class WebSocket(TypedWebSocketCore[Sent], _StarletteWebSocket, metaclass=_EqualToStarlettes):
    """One WebSocket connection: Starlette's class with its messages compiled.

    A real subclass of ``starlette.websockets.WebSocket``: ``isinstance`` holds, the two classes are equal as keys, so
    that a container that injects by type finds the socket under either, attributes can be set, and
    everything of ``HTTPConnection`` (``headers``, ``query_params``, ``cookies``, ``state``, ...) is there.

    ``WebSocket[Said | Joined]`` is the same class: type checkers alone read that ``send_message`` takes these types.

    Args:
        scope: the ASGI scope, of type ``websocket``.
        receive: the ASGI receive callable.
        send: the ASGI send callable.
    """

    # Set where the endpoint has message-scoped dependencies.
    _message_scopes: MessageScopes | None = None
    # A class with a compiled base shows none of its own.
    __signature__ = inspect.signature(_StarletteWebSocket)

    def message_scope(self) -> MessageScope:
        """Open the scope of one message, for dependencies declared with ``scope="message"``. wirefast only.

        ``async with websocket.message_scope():`` solves them; inside, the endpoint's parameters stand for what they
        gave. At the end of the block they are left, or with the exception that the block raised. ``as values`` gives
        the values themselves, as attributes with the names of the parameters. Tasks may be in scopes of their own.

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
        """Send without waiting: now, or from the outbox once the peer reads on, or not at all. wirefast only.

        The order of messages is kept, also among those of ``send_text`` and of hubs. On any other ASGI server than
        ours nothing tells whether the peer reads, so a message is first ``"queued"`` for a task that awaits the
        server's ``send``.

        Args:
            data: a str is sent as text, bytes as binary, anything else as JSON text.
            policy: what to do where too much waits; a name or a ``wirefast.rooms.Policy``. Default: drop this message.
            key: for ``"conflate"``: which earlier messages of ``try_send`` this one replaces. Default: all without one.

        Returns:
            ``"sent"``: it leaves with this turn of the event loop. ``"queued"``: it waits. ``"dropped"``: by the
            policy, or because the socket has ended.

        Raises:
            RuntimeError: not accepted yet.
            TypeError: the value has no JSON form, or the key is none.
            ValueError: no such policy, or ``"wait"``, or the message alone is larger than the policy's ``max_bytes``.
        """
        answer = fanout.try_send(self, data, policy, fanout.check_key(key))
        return cast(Literal["sent", "queued", "dropped"], answer)

    @property
    def buffered(self) -> Buffered:
        """What waits for this socket: ``messages``, ``bytes``, ``age`` of the oldest in seconds. wirefast only.

        Messages wait here while the transport holds more than 64 KiB, on any other server than ours while its ``send``
        has not taken them. ``dropped`` counts what policies have dropped.
        """
        return fanout.buffered(self)

    # ---- Expiry ----

    @property
    def expires_at(self) -> float | None:
        """When the permission ends that the socket was opened with, such as a token's ``exp``: seconds since 1970.

        At that time of the day, by the clock of the machine, the socket is closed with 4401, ``permission expired``;
        set it again to renew it, to None to have no end. Before ``accept()`` a time that is past is a `Refuse`, 401. A
        thousand expiries cost one timer. wirefast only; for sockets of routes of ours.

        Raises:
            TypeError: no number.
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
                It is sent or called once for each time that ``expires_at`` is set to.

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
    """Close an accepted socket for a reason that is not its handler's; nothing happens where it has ended.

    wirefast only.

    Args:
        websocket: the socket.
        code: the close code.
        reason: at most 123 bytes of UTF-8.
    """
    if websocket is not None and getattr(websocket, "connected", False):
        fanout.RoomMember(websocket, fanout.outlet_of(websocket)).dismiss(code, reason)


_BOTH.update((id(WebSocket), id(_StarletteWebSocket)))
