"""Which handshakes reach a route: the settings of the route, and of the routers and the application around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core.gate import Gate
from wirefast.exceptions import Refuse
from wirefast.limits.limits import Limits, claims_of
from wirefast.limits.origins import SHOWN, OriginPolicy, Origins
from wirefast.limits.sockets import limit, route_limits
from wirefast.logger import logger

__all__ = ["NOTHING_SET", "Admission", "Gates", "warn_of_open_origins"]

#: How many paths the warning at start-up names.
SHOWN_PATHS = 5

_SETTING = "App(origins=[...]), or origins= of the router or route"
_DEFAULT = OriginPolicy(setting=_SETTING)


@dataclass(frozen=True)
class Admission:
    """The settings of a route, a router or an application.

    Attributes:
        origins: the policy of origins; None means that of the router or application around it.
        limits: the limits, the innermost first, including those of routers and applications around it.
    """

    origins: OriginPolicy | None = None
    limits: tuple[Limits, ...] = ()

    @classmethod
    def of(cls, origins: Origins | None = None, limits: Limits | None = None) -> Admission:
        """Check the settings, and return them as an `Admission`.

        Raises:
            TypeError, ValueError: ``origins`` is not a list of origins (see `OriginPolicy`), or ``limits`` is no
                `Limits`.
        """
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits takes Limits(...), not {limits!r}")
        if origins is None and limits is None:
            return NOTHING_SET
        policy = None if origins is None else OriginPolicy(origins, setting=_SETTING)
        return cls(policy, () if limits is None else (limits,))

    def inside(self, outer: Admission) -> Admission:
        """Return these settings, with those of ``outer`` for the settings that are not given here."""
        if outer is NOTHING_SET or outer is self:
            return self
        limits = (*self.limits, *(one for one in outer.limits if one not in self.limits))
        return Admission(outer.origins if self.origins is None else self.origins, limits)

    def __deepcopy__(self, memo: dict[int, Any]) -> Admission:
        return self


NOTHING_SET = Admission()


class Gates:
    """Makes the gate of each route of a table; routes with the same settings share one.

    Args:
        around: the settings of the router that serves.
    """

    def __init__(self, around: Admission) -> None:
        self._around = around
        self._made: dict[Any, Gate] = {}

    def of(self, route: Any) -> Gate:
        """Return the gate of a route.

        A wirefast application or router that is mounted decides by itself; its gate only passes the settings around it
        on.

        Args:
            route: a route of any kind.
        """
        admission = getattr(route, "admission", NOTHING_SET).inside(self._around)
        hands_on = _decides_itself(route)
        max_size = getattr(getattr(route, "options", None), "max_size", None)
        # A router that decides by itself: its routes measure, also by what is around it, and count users.
        is_router = hasattr(route, "include_context")
        key = (admission, hands_on, max_size, is_router)
        claims = claims_of(admission.limits)
        if hasattr(route, "count_users"):
            route.count_users(claims)
        elif claims and not is_router:
            _tell_uncounted(getattr(route, "path", ""))
            return Gate(admission.origins or _DEFAULT, False, _uncounted)
        gate = self._made.get(key)
        if gate is None:
            limited = None
            if admission.limits:
                limited = partial(limit, limits=route_limits(admission.limits, max_size, measures=not is_router))
            gate = self._made[key] = Gate(admission.origins or _DEFAULT, hands_on, limited)
        return gate


def _uncounted(app: ASGIApp) -> ASGIApp:
    """Return an application that refuses each handshake, since the users cannot be counted there."""
    return _refuse_uncounted


def _tell_uncounted(path: str) -> None:
    logger.error(
        "per_user cannot count the sockets of %r, which are refused with 503: its user= is a dependency, and no route "
        "of wirefast is there to solve one. Give user= a function of one parameter, the WebSocket, or leave the mount "
        "or foreign route outside of these Limits",
        path[:SHOWN],
    )


async def _refuse_uncounted(scope: Scope, receive: Receive, send: Send) -> None:
    raise Refuse(503, "users cannot be counted here")


def warn_of_open_origins(routes: Iterable[Any], around: Admission, has_session: bool) -> None:
    """Warn once of the routes that any page may open with the credentials of a visitor.

    Args:
        routes: the served routes.
        around: the settings of the router that serves.
        has_session: whether a middleware reads a session from a cookie.
    """
    paths = []
    for route in routes:
        policy = getattr(route, "admission", NOTHING_SET).inside(around).origins
        if policy is not None and policy.any and hasattr(route, "reads_ambient"):
            if has_session or route.reads_ambient():
                paths.append(route.path)
    if paths:
        more = f" and {len(paths) - SHOWN_PATHS} more" if len(paths) > SHOWN_PATHS else ""
        logger.warning(
            'origins="*" lets every web page open %s%s as the visitor who is logged in: credentials there come by '
            "themselves (cookies, a session, HTTP authentication). List the origins of your pages instead",
            ", ".join(map(repr, paths[:SHOWN_PATHS])),
            more,
        )


def _decides_itself(route: Any) -> bool:
    """Whether a router of wirefast serves below this route."""
    if hasattr(route, "include_context"):
        return hasattr(route.original_router, "admission")
    app = None if hasattr(route, "endpoint") else getattr(route, "app", None)
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        if hasattr(app, "select_websocket") or hasattr(getattr(app, "router", None), "select_websocket"):
            return True
        app = getattr(app, "app", None)
    return False
