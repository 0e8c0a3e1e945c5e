"""Limits of sockets, handshakes, messages and time. wirefast only."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from starlette.requests import HTTPConnection

from wirefast._core import scope as keys
from wirefast._core.ledger import Ledger
from wirefast._core.meter import Allowance
from wirefast.limits.counters import count_refusal
from wirefast.limits.rates import Rate
from wirefast.param_functions import Depends
from wirefast.rooms.hub import Hub
from wirefast.websockets import WebSocket, dismiss

if TYPE_CHECKING:
    from wirefast.limits.shared import SharedLimits

__all__ = ["Limits", "OnExcess", "allowance_of", "claims_of", "is_plain"]

OnExcess = Literal["close", "error", "delay", "drop"]

_COUNTS = ("connections", "per_ip", "per_user", "message_bytes", "rooms", "in_flight")
_SECONDS = ("first_message", "idle", "lifetime")
_RATES = ("handshakes", "messages", "bytes")
#: The limits of each single socket; of several Limits the innermost that sets one counts.
_OF_SOCKETS = ("messages", "bytes", "message_bytes", *_SECONDS, "rooms", "in_flight", "on_excess")


@dataclass(frozen=True, eq=False)
class Limits:
    """The limits of an application, a router or a route. None, the default of each, is no limit.

    Each ``Limits`` around a route counts its sockets, together with those of all other routes of the same ``Limits``. A
    limit of a single socket is that of the innermost ``Limits`` that sets it. Each process counts for
    itself; with a ``store``, ``per_user`` and ``handshakes`` are counted over all processes.

    Args:
        connections: how many sockets at once; more are refused with 503.
        per_ip: how many sockets of one address at once; more are refused with 429. An address is an IPv4 address or an
            IPv6 network of 64 bits, after the headers of trusted proxies (``--forwarded-allow-ips``).
        per_user: how many sockets of one user at once; ``evict`` says what happens to more.
        user: a function of the WebSocket, or a dependency, that returns the user; a socket with the user None is not
            counted. Routes of other frameworks and mounts do not solve dependencies, so they need a plain function.
        evict: ``"newest"`` refuses a user's next socket with 429, ``"oldest"`` closes the oldest one with 4409.
            Default: ``"newest"``.
        handshakes: the rate of handshakes of one address; more are refused with 429.
        messages: the rate of messages from the client of each socket; see ``on_excess``.
        bytes: the rate of bytes in messages from the client of each socket; see ``on_excess``.
        message_bytes: how many bytes one message may have; a larger one closes the socket with 1009.
        first_message: seconds from accept to the first message; after them close 4408.
        idle: seconds without a message from the client; after them close 4408. A client that waits for the application
            is not idle: a handler of typed messages is at work; an endpoint has received a message and has not called
            receive again; or, under Wirefast's server, a message was not received yet. A client that takes nothing of
            what it is sent for so long is idle too, under another server after at most twice the time.
        lifetime: seconds from accept; after them close 1012. Each socket ends up to a tenth earlier, so that not all
            clients reconnect at once.
        rooms: how many rooms of a hub one socket may be in, if that is less than the hub allows.
        in_flight: how many handlers of typed messages run at once for one socket, if that is less than the route
            allows.
        on_excess: what happens to a message beyond ``messages`` or ``bytes``. ``"close"``: the socket is closed with
            1008. ``"error"``: the message is dropped, and the receive raises ``LimitExceeded``; if messages are
            typed, the client gets the error ``too_many``. ``"delay"``: the message is received when the rate allows it.
            ``"drop"``: the message is dropped. Default: ``"close"``.
        store: a hub of Redis, started by ``App(hub=hub)``, through which ``per_user`` and ``handshakes`` are counted
            over all processes that use the same Redis and prefix; ``user`` names a str or an int then. Where Redis
            does not answer within 0.25 seconds each process counts for itself until it is back, and logs that.
            Default: this process counts for itself. A hub without a URL does the same while there is one process.
        name: by which the processes know these Limits, if several of a hub have the store; 1 to 100 characters.
            Default: ``"limits"``.

    Raises:
        ValueError: a number that is not positive, another ``evict`` or ``on_excess``, ``per_user`` without ``user``, a
            hub of another broker than Redis, a ``name`` without a ``store`` or that another Limits of the hub has.
        TypeError: a value of another type.
        RuntimeError: the hub runs already.
    """

    connections: int | None = None
    per_ip: int | None = None
    per_user: int | None = None
    user: Callable[..., Any] | None = None
    evict: Literal["newest", "oldest"] = "newest"
    handshakes: Rate | None = None
    messages: Rate | None = None
    bytes: Rate | None = None
    message_bytes: int | None = None
    first_message: float | None = None
    idle: float | None = None
    lifetime: float | None = None
    rooms: int | None = None
    in_flight: int | None = None
    on_excess: OnExcess | None = None
    store: Hub | None = None
    name: str | None = None
    #: How many sockets, handshakes and messages were refused, by the name of the limit.
    refused: Counter[str] = field(default_factory=lambda: Counter[str](), init=False, repr=False)
    ledger: Ledger = field(init=False, repr=False)
    #: What counts with other processes; None without a store.
    shared: SharedLimits | None = field(default=None, init=False, repr=False)
    _claim: Callable[..., Any] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in (*_COUNTS, *_SECONDS):
            value = getattr(self, name)
            number = (int,) if name in _COUNTS else (int, float)
            if value is not None and (isinstance(value, bool) or not isinstance(value, number)):
                raise TypeError(f"{name} of Limits takes {'an int' if name in _COUNTS else 'seconds'}, not {value!r}")
            if value is not None and not 0 < value < 2**31:
                raise ValueError(f"{name} of Limits is a positive number, not {value!r}")
        for name in _RATES:
            if not isinstance(getattr(self, name), (Rate, type(None))):
                raise TypeError(
                    f"{name} of Limits takes a Rate, such as Rate(100, per=1.0), not {getattr(self, name)!r}"
                )
        if self.evict not in ("newest", "oldest"):
            raise ValueError(f'evict is "newest" or "oldest", not {self.evict!r}')
        if self.on_excess not in (None, "close", "error", "delay", "drop"):
            raise ValueError(f'on_excess is "close", "error", "delay" or "drop", not {self.on_excess!r}')
        if self.user is not None and not callable(self.user):
            raise TypeError(f"user of Limits takes a function, not {self.user!r}")
        if self.per_user is not None and self.user is None:
            raise ValueError("per_user needs user=, a function that names the user of a WebSocket")
        ledger = Ledger(
            dismiss=dismiss,
            count=self.count,
            connections=self.connections or 0,
            per_ip=self.per_ip or 0,
            per_user=self.per_user or 0,
            evicts_oldest=self.evict == "oldest",
            # With a store they are counted there, and while that is away.
            handshakes=None if self.handshakes is None or self.store is not None else self.handshakes.by_address(),
        )
        object.__setattr__(self, "ledger", ledger)
        if self.store is None:
            if self.name is not None:
                raise ValueError("name of Limits is for those with a store=")
            return
        from wirefast.limits.shared import SharedLimits  # loads what brokers are supervised by, for a store alone

        shared = SharedLimits(
            self.store,
            "limits" if self.name is None else self.name,
            self,
            user=self.user if self.per_user is not None and is_plain(self.user) else None,
        )
        object.__setattr__(self, "shared", shared)

    def count(self, kind: str) -> None:
        """Count a refusal.

        Args:
            kind: the name of the limit.
        """
        self.refused[kind] += 1
        count_refusal(kind)

    @property
    def open(self) -> int:
        """The number of open sockets."""
        return self.ledger.open

    def __deepcopy__(self, memo: dict[int, Any]) -> Limits:
        return self


def allowance_of(limits: Iterable[Limits]) -> tuple[Allowance, dict[str, Any]]:
    """Return the limits of a socket under several Limits, and the same as a dict.

    Args:
        limits: the innermost first.
    """
    found: dict[str, Any] = {}
    counts: Any = count_refusal
    for one in limits:
        for setting in fields(one):
            value = getattr(one, setting.name)
            if setting.name in _OF_SOCKETS and value is not None:
                found.setdefault(setting.name, value)
        if counts is count_refusal:
            counts = one.count
    rates: dict[str, Any] = {name: found[name].bucket for name in ("messages", "bytes") if name in found}
    settings: dict[str, Any] = {**found, **rates}
    return Allowance(dismiss=dismiss, count=counts, **settings), found


def claims_of(limits: Iterable[Limits]) -> list[Any]:
    """Return the dependencies that count the user of a socket, one for each Limits whose ``user`` is no plain function.

    Args:
        limits: those around a route.
    """
    return [Depends(_claim_of(one)) for one in limits if one.per_user is not None and not is_plain(one.user)]


def _claim_of(limits: Limits) -> Callable[..., Any]:
    """Return the dependency of a Limits: always the same object, so that a route may be analysed again."""
    if limits._claim is not None:
        return limits._claim
    if limits.user is None:
        raise AssertionError
    of_user = Depends(_as_dependency(limits.user))

    async def claim(websocket: WebSocket, user: Any = of_user) -> None:
        lease = websocket.scope.get(keys.LEASE)
        if lease is None:
            return
        if limits.shared is None:
            limits.ledger.claim(lease, user)
        else:
            await limits.shared.claim(lease, user)

    object.__setattr__(limits, "_claim", claim)
    return claim


def is_plain(user: Any) -> bool:
    """Return whether this is a plain function of a connection, which can be called without dependencies.

    Args:
        user: the function or dependency that returns the user.
    """
    if inspect.iscoroutinefunction(user) or inspect.iscoroutinefunction(getattr(type(user), "__call__", None)):  # noqa: B004
        return False
    if not inspect.isfunction(user):
        return False
    parameters = list(inspect.signature(user).parameters.values())
    return len(parameters) == 1 and parameters[0].annotation in _CONNECTIONS


_CONNECTIONS = (inspect.Parameter.empty, Any, "Any", WebSocket, "WebSocket", HTTPConnection, "HTTPConnection")


def _as_dependency(user: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of one parameter without an annotation as a dependency that gets the WebSocket."""
    try:
        parameters = list(inspect.signature(user).parameters.values())
    except (TypeError, ValueError):
        return user
    if len(parameters) != 1 or parameters[0].annotation not in (parameters[0].empty, Any, "Any"):
        return user

    async def named(websocket: WebSocket) -> Any:
        found = user(websocket)
        return await found if inspect.isawaitable(found) else found

    return named
