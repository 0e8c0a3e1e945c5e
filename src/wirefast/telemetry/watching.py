"""The functions of telemetry that applications and routes call. Only these functions import OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from wirefast.dependencies.models import Dependant

__all__ = [
    "exception_notes",
    "is_watched",
    "record",
    "room_traces",
    "watch_handler",
    "watch_operation",
    "watch_plan",
    "watch_refusal",
]


def is_watched(provider: Any) -> bool:
    """Return whether the application of a route has telemetry."""
    return getattr(provider, "_telemetry", None) is not None


def record(stack: ASGIApp, config: dict[str, Any]) -> ASGIApp:
    """Return a middleware stack whose requests and connections are recorded; a recorded stack stays unchanged."""
    from wirefast.telemetry.connections import Telemetry  # only if telemetry is on

    return stack if isinstance(stack, Telemetry) else Telemetry(stack, config)


def exception_notes() -> Any:
    """Return the class of the middleware that notes an exception before its response is made."""
    from wirefast.telemetry.connections import ExceptionNotes  # only if telemetry is on

    return ExceptionNotes


def room_traces(config: dict[str, Any] | None) -> Any:
    """Return the object that passes traces between hubs; None for an application without telemetry or without
    traces."""
    if config is None or not config["tracing"]:
        return None
    from wirefast.telemetry.rooms import RoomTraces  # only if telemetry is on

    return RoomTraces(config["tracer_provider"])


def watch_plan(root: Dependant, make_plan: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes the plan of a route as ``make_plan`` does, with spans.

    Tools change a Dependant after its route was declared, so the spans are added when the plan is made.

    Args:
        root: the whole Dependant of the route; parts of it that are planned alone get no spans.
        make_plan: ``(dependant, overrides) -> Plan``.
    """

    def make(dependant: Dependant, overrides: Any) -> Any:
        from wirefast.telemetry.operations import watched  # only if telemetry is on

        return make_plan(watched(dependant) if dependant is root else dependant, overrides)

    return make


def watch_refusal(refuse: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes the error of invalid input as ``refuse`` does, and notes it."""
    from wirefast.telemetry.operations import watched_refusal  # only if telemetry is on

    return watched_refusal(refuse)


def watch_operation(parts: dict[str, Any], endpoint: Dependant) -> dict[str, Any]:
    """Return the changed parts of an ``Operation``, with spans.

    Args:
        parts: ``validate``, ``to_json``, ``prepare``, ``refuse`` and ``refuse_body`` of `Operation`.
        endpoint: the declared endpoint.
    """
    from wirefast.telemetry.operations import WatchedResult, watched_refusal  # only if telemetry is on

    result = WatchedResult(endpoint.call, parts["validate"])
    return {
        "validate": result.validate,
        "to_json": result.ending(parts["to_json"]),
        "prepare": result.ending(parts["prepare"]),
        "refuse": watched_refusal(parts["refuse"]),
        "refuse_body": watched_refusal(parts["refuse_body"]),
    }


def watch_handler(handler: Any) -> Any:
    """Return a handler of requests whose operations end with it."""
    from wirefast.telemetry.operations import watched_handler  # only if telemetry is on

    return watched_handler(handler)
