"""The reason why a handshake was refused, for its line in the log. The reason has no value that the client sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["NO_WEBSOCKETS", "as_members", "close_line", "denial_line", "failed_line", "shown"]

#: Logged where uvicorn has no WebSocket protocol beside `HttpProtocol`: with ``--ws none``, or without a library.
NO_WEBSOCKETS = (
    "Unsupported upgrade request: this server has no WebSocket protocol. Start uvicorn with --ws "
    "wirefast.server:WebSocketProtocol, or use `wirefast run`"
)

#: The most characters of a reason in the log, and the most errors that it names.
REASON_MAX, ERRORS_MAX = 200, 5


def close_line(code: int, reason: str, errors: Sequence[Mapping[str, Any]] | None = None) -> str:
    """Return the end of the log line of a handshake that the application closed without accepting it.

    Args:
        code: the close code.
        reason: the close reason.
        errors: validation errors. If there are any, the line names them in place of the reason.
    """
    said = _of_errors(errors) if errors else shown(reason)
    return f"403 ({code}: {said})" if said else f"403 ({code})"


def denial_line(status: int, body: bytes) -> str:
    """Return the end of the log line of a handshake that got an HTTP response.

    Args:
        status: the response's status.
        body: the response's body. If it is JSON of FastAPI's handlers, its ``detail`` is the reason.
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
    """Return the end of the log line of a handshake that the application did not answer.

    Args:
        exc: the exception that the application raised. Its text may have the client's values, so the line names only
            its class.
        cancelled: whether the server stopped the application.
    """
    why = "cancelled" if cancelled else "no answer" if exc is None else type(exc).__name__
    return f"500 ({why})"


def as_members(client: str, path: str, outcome: str) -> dict[str, Any]:
    """Return the facts of a handshake's log line for ``--log-format json``.

    Args:
        client: address and port.
        path: the path of the request, with its masked query.
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
    """Return the location and the type of validation errors, without the client's own names of unexpected values."""
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
    """Return a text as one line of bounded length."""
    short = text if len(text) <= REASON_MAX else f"{text[:REASON_MAX]}..."
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in short)
