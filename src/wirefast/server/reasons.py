"""Why a handshake was refused, for the line of the log: never with what the client sent as a value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_members", "close_line", "denial_line", "failed_line", "shown"]

#: Characters of a reason in the log, and errors that are named.
REASON_MAX, ERRORS_MAX = 200, 5


def close_line(code: int, reason: str, errors: Sequence[Mapping[str, Any]] | None = None) -> str:
    """Return the end of the line of a handshake that the application closed before it accepted it.

    Args:
        code: of the close.
        reason: of the close.
        errors: of validation, by which the reason is said where there are any.
    """
    said = _of_errors(errors) if errors else shown(reason)
    return f"403 ({code}: {said})" if said else f"403 ({code})"


def denial_line(status: int, body: bytes) -> str:
    """Return the end of the line of a handshake that was answered with a response.

    Args:
        status: of the response.
        body: of it; the detail of JSON is the reason, as FastAPI's handlers write it.
    """
    detail: Any = None
    if status >= 400 and body[:1] == b"{" and len(body) <= 65536:
        try:
            detail = json.loads(body).get("detail")
        except (ValueError, RecursionError):
            detail = None
    if isinstance(detail, list) and detail and all(isinstance(each, dict) for each in detail):
        said = _of_errors(detail)
    else:
        said = shown(detail) if isinstance(detail, str) else ""
    return f"{status} ({said})" if said else str(status)


def failed_line(exc: BaseException | None, cancelled: bool) -> str:
    """Return the end of the line of a handshake that the application did not answer.

    Args:
        exc: what the application raised. Its text may have the client's values, so the line has its class alone.
        cancelled: whether the server stopped the application.
    """
    why = "cancelled" if cancelled else "no answer" if exc is None else type(exc).__name__
    return f"500 ({why})"


def as_members(client: str, path: str, outcome: str) -> dict[str, Any]:
    """Return the facts of a handshake's line for ``--log-format json``.

    Args:
        client: address and port.
        path: of the request, with its masked query.
        outcome: the end of the line.
    """
    told: dict[str, Any] = {"event": "websocket_accepted", "client": client, "path": path}
    if outcome != "[accepted]":
        status, _, reason = outcome.partition(" ")
        told.update(event="websocket_refused", status=int(status))
        if reason:
            told["reason"] = reason[1:-1]
    return told


def _of_errors(errors: Sequence[Mapping[str, Any]]) -> str:
    """Return errors of validation by location and type. The name of what is not expected is the client's own."""
    said = []
    for error in errors[:ERRORS_MAX]:
        place = list(error.get("loc") or ())
        if error.get("type") == "extra_forbidden":
            place = place[:-1]
        said.append(f"{'.'.join(map(str, place))} {error.get('type', '')}".strip())
    if len(errors) > ERRORS_MAX:
        said.append(f"{len(errors) - ERRORS_MAX} more")
    return shown(", ".join(said))


def shown(text: str) -> str:
    """Return a text of one line, and not too long a one."""
    short = text if len(text) <= REASON_MAX else f"{text[:REASON_MAX]}..."
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in short)
