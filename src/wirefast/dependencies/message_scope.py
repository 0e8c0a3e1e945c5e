"""Message-scoped dependencies of an endpoint that reads its messages itself: ``async with websocket.message_scope()``.

They are removed from the endpoint's dependencies, which are solved before the first message. Two things replace them:
one dependency that prepares what each scope needs of the handshake, and for each parameter an object that gives the
value of the scope of the running task.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any

from wirefast._core.message_scope import MessageScopes
from wirefast._core.plan_cache import PlanCache
from wirefast.dependencies.message_planning import Handshake, make_message_plan, refuse_message_scope_below
from wirefast.dependencies.models import Dependant
from wirefast.dependencies.scoped_value import ScopedValue

Current = ContextVar["dict[str, Any] | None"]


def divide(
    dependant: Dependant, *, path: str, provider: Any, invalid: Callable[[list[Any], Any], Exception]
) -> Dependant:
    """Return the endpoint's Dependant with replacements of its message-scoped dependencies.

    Args:
        dependant: the dependant of the endpoint; returned unchanged without such dependencies.
        path: the path of the route, for errors.
        provider: its ``dependency_overrides`` apply, or None.
        invalid: makes the exception for parameters that are not valid.

    Raises:
        DependencyScopeError: a dependency of the whole socket needs a message-scoped one.
        FastAPIError: a dependency reads from the message, which it does not get here.
    """
    children = [child for child in dependant.dependencies if child.scope == "message"]
    for child in dependant.dependencies:
        if child.scope != "message":
            refuse_message_scope_below(child, path)
    if not children:
        return dependant
    handshake = Handshake(path, [])
    of_message = Dependant(call=_arguments, path=path, dependencies=children)
    handshake.add(of_message)
    make_plan = partial(make_message_plan, handshake, None, None)
    make_plan(of_message)  # an error in their parameters is raised by the declaration
    names = handshake.names
    current: Current = ContextVar("wirefast.message_scope", default=None)
    plans = PlanCache(dependant=of_message, make_plan=make_plan, provider=provider)

    async def prepare(websocket: Any, **values: Any) -> AsyncIterator[None]:
        websocket._message_scopes = MessageScopes(
            websocket=websocket, plans=plans, values=[values[name] for name in names], invalid=invalid, current=current
        )
        try:
            yield
        finally:
            websocket._message_scopes = None  # the socket and the scopes refer to each other: this ends the cycle

    stand_ins = [
        _stand_in(child, path, current) if child.scope == "message" else child for child in dependant.dependencies
    ]
    divided = replace(dependant, dependencies=[child for child in stand_ins if child is not None])
    divided.dependencies.append(replace(handshake.dependant(prepare), made_here=True))
    return divided


def _arguments(**values: Any) -> dict[str, Any]:
    return values


def _stand_in(child: Dependant, path: str, current: Current) -> Dependant | None:
    if child.name is None:
        return None
    value = ScopedValue(child.name, current)

    async def give() -> ScopedValue:
        return value

    return Dependant(call=give, name=child.name, path=path, made_here=True)
