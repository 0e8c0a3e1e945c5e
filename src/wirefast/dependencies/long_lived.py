"""Log the dependencies that a socket holds as long as it is open, if ``warn_long_lived`` is set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from wirefast._core.plan import Plan
from wirefast.dependencies.analysis import get_dependant
from wirefast.dependencies.models import Dependant, is_generator_kind, place_of
from wirefast.dependencies.planning import make_plan

logger = logging.getLogger("wirefast.dependencies")

Overrides = Mapping[Callable[..., Any], Callable[..., Any]] | None
# Application -> the ids of the callables that were logged for it; the entry keeps the callables alive.
_NAMED: WeakKeyDictionary[Any, dict[int, Any]] = WeakKeyDictionary()


class NamingPlanner:
    """Makes plans as ``make_plan`` does, and names the dependencies with ``yield`` that last as long as the socket.

    Each is logged once for an application, when a route with it is first used, so connections cost nothing more.

    Args:
        path: the path of the route, for the log.
        provider: the application, which has ``warn_long_lived``; or None.
        wanted: the setting of the route; None: that of the application.
    """

    def __init__(self, path: str, provider: Any, wanted: bool | None) -> None:
        self.path = path
        self.provider = provider
        self.wanted = wanted

    def __call__(self, dependant: Dependant, overrides: Overrides = None) -> Plan:
        wanted = getattr(self.provider, "warn_long_lived", False) if self.wanted is None else self.wanted
        if wanted:
            named: dict[int, Any] = {} if self.provider is None else _NAMED.setdefault(self.provider, {})
            self._name(dependant, overrides or {}, named)
        return make_plan(dependant, overrides)

    def _name(self, dependant: Dependant, overrides: Mapping[Any, Any], named: dict[int, Any]) -> None:
        for child in dependant.dependencies:
            call = child.call
            with suppress(TypeError):  # a callable without a hash has no override
                call = overrides.get(child.call, child.call)
            if call is not None and call is not child.call:
                child = get_dependant(path=child.path or "", call=call, scope=child.scope)
            if is_generator_kind(call) and not child.made_here and id(call) not in named:
                named[id(call)] = call
                logger.warning(
                    "%s is held as long as each socket of %s is open. Where a message can have its own, "
                    'declare it with Depends(..., scope="message").',
                    place_of(call),
                    self.path,
                )
            self._name(child, overrides, named)
