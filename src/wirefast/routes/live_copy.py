"""A route under an include: a copy with its own path that shares all other attributes with the declared route.

The attributes that an include changes (the path, the dependencies, and those derived from them) belong to the copy.
Attributes that a program sets on the declared route later are visible on the copy. A method of a subclass that sets an
attribute of ``self`` sets it on the declared route, so a counter counts on both.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, TypeVar

from starlette import routing
from starlette.routing import BaseRoute

__all__ = ["OWN", "deep_copy", "is_live", "live_copy"]

Route = TypeVar("Route", bound=BaseRoute)

_DECLARED = "_declared"


def _endpoint(*arguments: Any) -> None:
    """Do nothing: the endpoint of the routes below, which is never called."""


#: For each kind of route a plain instance. A copy has its own values of the attributes that the constructor sets.
OWN: dict[type[Any], Callable[[], BaseRoute]] = {
    routing.Host: lambda: routing.Host("x", app=_endpoint),  # type: ignore[arg-type]
    routing.Mount: lambda: routing.Mount("/", app=_endpoint),  # type: ignore[arg-type]
    routing.Route: lambda: routing.Route("/", _endpoint),
    routing.WebSocketRoute: lambda: routing.WebSocketRoute("/", _endpoint),
}


@cache
def _own_names(kind: type[Any]) -> frozenset[str]:
    return frozenset(vars(OWN[kind]())) | {_DECLARED}


class _Live:
    """The copy of a route of a class that has no attributes beside those of its constructor."""

    _own: frozenset[str]
    _declared: BaseRoute

    # A subclass that is made here is no subclass of the user.
    def __init_subclass__(cls, **options: Any) -> None:
        return None

    @property
    def original_route(self) -> BaseRoute:
        """The declared route. FastAPI's name."""
        return self._declared

    def __getattr__(self, name: str) -> Any:
        if name == _DECLARED:  # while it is being copied
            raise AttributeError(name)
        return getattr(self._declared, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._own:
            object.__setattr__(self, name, value)
        else:
            setattr(self._declared, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._own:
            object.__delattr__(self, name)
        else:
            delattr(self._declared, name)


class _LiveOfSubclass(_Live):
    """The copy of a route of a class of the user, which may have defaults as attributes of the class."""

    def __getattribute__(self, name: str) -> Any:
        own: dict[str, Any] = object.__getattribute__(self, "__dict__")
        declared = own.get(_DECLARED)
        if declared is not None and name not in own and not name.startswith("__"):
            found = vars(declared)
            if name in found and name not in type(self)._own:
                return found[name]
        return object.__getattribute__(self, name)


@lru_cache(maxsize=1024)
def _class_of_copies(kind: Any, base: Any, deep: bool) -> Any:
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    mixin = _LiveOfSubclass if deep else _Live
    metaclass: Any = type(kind)
    return metaclass(kind.__name__, (mixin, kind), {**names, "_own": _own_names(base)})


def live_copy(route: Route) -> Route:
    """Return a copy of a route, which may get another path and the attributes derived from it.

    Args:
        route: a route of a class in `OWN` or of a subclass of one.
    """
    kind: Any = type(route)
    base = next(each for each in kind.__mro__ if each in OWN)
    own = _own_names(base)
    given = vars(route)
    made = object.__new__(_class_of_copies(kind, base, kind is not base or not given.keys() <= own))
    made.__dict__.update({name: value for name, value in given.items() if name in own})
    made.__dict__[_DECLARED] = route
    return made  # type: ignore[no-any-return]


def is_live(route: BaseRoute) -> bool:
    """Return whether this is a copy under an include."""
    return isinstance(route, _Live)


def deep_copy(route: Any, memo: dict[int, Any]) -> Any:
    """Return an independent route, for ``copy.deepcopy``: analysed again, since its application cannot be copied.

    Args:
        route: a route of a class with ``_analyse``.
        memo: the memo of ``copy.deepcopy``.
    """
    made = object.__new__(type(route))
    memo[id(route)] = made
    kind: Any = next(each for each in type(route).__mro__ if each in OWN)
    own = _own_names(kind)
    for name, value in vars(route).items():
        if name not in own:
            value = copy.deepcopy(value, memo)
        elif isinstance(value, (list, dict, set)):
            value = copy.copy(value)
        made.__dict__[name] = value
    made._analyse()
    if route.dependant.call is not route.endpoint:  # a container has wrapped it
        made.dependant.call = route.dependant.call
    return made
