"""What applications and routes call of telemetry where it is on. OpenTelemetry is imported by these functions alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from wirefast.dependencies.models import Dependant

__all__ = ["exception_notes", "is_watched", "record", "watch_handler", "watch_operation", "watch_socket"]


def is_watched(provider: Any) -> bool:
    """Return whether the application that a route belongs to has telemetry."""
    return getattr(provider, "_telemetry", None) is not None


def record(stack: ASGIApp, config: dict[str, Any]) -> ASGIApp:
    """Return a middleware stack whose requests and connections are recorded."""
    from wirefast.telemetry.connections import Telemetry

    return Telemetry(stack, config)


def exception_notes() -> Any:
    """Return the class of the middleware that notes an exception before its response is made."""
    from wirefast.telemetry.connections import ExceptionNotes

    return ExceptionNotes


def watch_socket(dependant: Dependant, invalid: Callable[..., Any]) -> tuple[Dependant, Callable[..., Any]]:
    """Return the Dependant of a WebSocket route and the function that makes its errors, both watched."""
    from wirefast.telemetry.operations import watched, watched_refusal

    return watched(dependant), watched_refusal(invalid)


def watch_operation(parts: dict[str, Any], endpoint: Dependant, dependant: Dependant) -> dict[str, Any]:
    """Return the changed parts of an ``Operation``, and its ``dependant``, watched.

    Args:
        parts: ``validate``, ``to_json``, ``prepare``, ``refuse`` and ``refuse_body``, as `Operation` takes them.
        endpoint: as it was declared.
        dependant: as it is planned.
    """
    from wirefast.telemetry.operations import WatchedResult, watched, watched_refusal

    result = WatchedResult(endpoint.call, parts["validate"])
    return {
        "validate": result.validate,
        "to_json": result.ending(parts["to_json"]),
        "prepare": result.ending(parts["prepare"]),
        "refuse": watched_refusal(parts["refuse"]),
        "refuse_body": watched_refusal(parts["refuse_body"]),
        "dependant": watched(dependant),
    }


def watch_handler(handler: Any) -> Any:
    """Return a handler of requests whose operations end with it."""
    from wirefast.telemetry.operations import watched_handler

    return watched_handler(handler)
