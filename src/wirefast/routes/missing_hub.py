"""A line in the log for functions that ask for a hub which the application lacks: at the start, not with the first
connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starlette.types import Message, Scope, Send

from wirefast._core.scope import HUB
from wirefast._core.source_location import describe
from wirefast.logger import logger

__all__ = ["telling_of_a_missing_hub"]

#: How many functions the line names.
SHOWN_FUNCTIONS = 3


def telling_of_a_missing_hub(routes: Iterable[Any], scope: Scope, send: Send) -> Send:
    """Return a ``send`` for a lifespan that logs, when the application has started, which functions lack a hub.

    Args:
        routes: the routes of the application.
        scope: the scope of the lifespan. A hub in it is one of an application around this one.
        send: the send of the lifespan.
    """

    async def telling(message: Message) -> None:
        await send(message)
        # Not before the start: the lifespan of the application may assign its hub.
        if message["type"] == "lifespan.startup.complete" and lacks(scope.get("app")) and scope.get(HUB) is None:
            overrides = getattr(scope["app"], "dependency_overrides", {})
            _tell(list(dict.fromkeys(_asking(routes, overrides))))

    return telling


def lacks(app: Any) -> bool:
    """Whether an application could have a hub and has none."""
    return getattr(app, "hub", app) is None


def _tell(found: list[str]) -> None:
    if found:
        more = f" and {len(found) - SHOWN_FUNCTIONS} more" if len(found) > SHOWN_FUNCTIONS else ""
        logger.warning(
            "A Hub is asked for, but the application has none, so that the calls fail; write App(hub=Hub()). "
            "Asked for by %s%s",
            "; ".join(found[:SHOWN_FUNCTIONS]),
            more,
        )


def _asking(routes: Iterable[Any], overrides: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the functions of routes, and of mounted applications, that ask for a hub, as text.

    Args:
        routes: the routes of an application.
        overrides: the dependencies that the application replaces; theirs are not asked.
    """
    for route in routes:
        mounted: Any = None if hasattr(route, "endpoint") else getattr(route, "app", None)
        if lacks(mounted) and hasattr(getattr(mounted, "router", None), "_flat_routes"):
            yield from _asking(mounted.router._flat_routes(), mounted.dependency_overrides)
        dependant: Any = getattr(route, "dependant", None)
        if not hasattr(dependant, "from_scope"):
            continue
        handlers = getattr(route, "handlers", ())
        for handler in handlers:
            yield from _asking_below(handler.dependant, handler.declared.call, overrides)
        # The values of messages are collected by a function of ours, whose dependencies alone are the application's.
        for child in dependant.dependencies if handlers else ():
            yield from _asking_below(child, child.call, overrides)
        if not handlers:
            yield from _asking_below(dependant, dependant.call, overrides)


def _asking_below(dependant: Any, call: Any, overrides: Mapping[Any, Any]) -> Iterator[str]:
    if overrides and call in overrides:
        return
    if any(needed.scope_key == HUB for needed in dependant.from_scope.values()):
        yield describe(call)
    for child in dependant.dependencies:
        yield from _asking_below(child, child.call, overrides)
