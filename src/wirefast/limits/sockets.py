"""Sockets with limits: their class, and the application around routes of other frameworks."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core import metered
from wirefast._core import scope as keys
from wirefast._core.ledger import Lease, RouteLimits, count_around
from wirefast._core.session import LimitedSession, WebSocketSession
from wirefast.limits.limits import Limits, allowance_of, is_plain
from wirefast.websockets import WebSocket

__all__ = ["LimitedApp", "LimitedWebSocket", "limit", "route_limits"]


class LimitedWebSocket(WebSocket):
    """A WebSocket whose messages and time are limited; a class of its own, so that other sockets cost nothing more."""

    receive = metered.receive
    receive_text = metered.receive_text
    receive_bytes = metered.receive_bytes
    receive_json = metered.receive_json


class LimitedApp:
    """Limits around an ASGI application that has none of its own.

    Args:
        app: the application.
        limits: the limits of its sockets.
    """

    def __init__(self, app: ASGIApp, limits: RouteLimits) -> None:
        self.app = app
        self.limits = limits
        count_around()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = LimitedWebSocket(scope, receive, send)
        lease = self.limits.admit(scope, websocket)
        try:
            if self.limits.shared is not None:
                await self.limits.shared(lease, websocket)
            scope[keys.COUNTED] = (*scope.get(keys.COUNTED, ()), *self.limits.ledgers)
            await self.app(scope, websocket.receive, websocket.send)
        finally:
            lease.release()


def route_limits(limits: tuple[Limits, ...], max_size: int | None, measures: bool = True) -> RouteLimits:
    """Return the terms of the sockets of a route.

    Args:
        limits: those around the route, the innermost first.
        max_size: the route's limit of a message.
        measures: whether what one socket may do is measured too. Default: True.
    """
    allowance, found = allowance_of(limits if measures else ())
    bounds = [bound for bound in (found.get("message_bytes"), max_size) if bound is not None]
    options = {"max_size": min(bounds)} if "message_bytes" in found else None
    counting = [one for one in limits if one.per_user]
    users: Any = tuple((one.ledger, one.user) for one in counting if is_plain(one.user) and one.shared is None)
    outermost_first = tuple(reversed(limits))
    return RouteLimits(
        tuple(one.ledger for one in outermost_first),
        allowance,
        LimitedWebSocket,
        options,
        users,
        by_dependency=not all(is_plain(one.user) for one in counting),
        shared=_sharing(outermost_first),
    )


def limit(app: ASGIApp, limits: RouteLimits) -> ASGIApp:
    """Return an application, of wirefast or another framework, with limits."""
    return LimitedSession(app, limits) if type(app) is WebSocketSession else LimitedApp(app, limits)


def _sharing(limits: tuple[Limits, ...]) -> Any:
    """Return what counts a handshake with the other processes, for several `Limits`; None if none has a store.

    Args:
        limits: the outermost first.
    """
    shared = [one.shared for one in limits if one.shared is not None]
    if not shared:
        return None

    async def admit(lease: Lease, websocket: Any) -> None:
        for one in shared:
            if lease.counts(one.ledger):
                await one.admit(lease, websocket)

    return admit
