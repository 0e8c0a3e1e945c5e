"""The close reason of invalid parameters: the list of errors. FastAPI's own refusal gives a client no errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["refusal_of_errors"]

#: Characters of a part of a location and of a message.
PART_MAX, MESSAGE_MAX = 64, 256


def refusal_of_errors(channel: Any, errors: list[Any]) -> str:
    """Return the reason as JSON text. A server of ours also gets the list, for its response.

    Args:
        channel: the channel of the connection.
        errors: pydantic's, as FastAPI's ``WebSocketRequestValidationError`` has them, with the client's input.
    """
    public = [_public(error) for error in errors]
    reason = json.dumps(public, ensure_ascii=False, separators=(",", ":"))
    explain = getattr(channel, "explain_refusal", None)
    if explain is not None and all(isinstance(error, dict) for error in public):
        words = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in public)
        explain(reason, words, public)
    return reason


def _public(error: Any) -> Any:
    if not isinstance(error, Mapping):
        return str(error)[:MESSAGE_MAX]
    message, sent = str(error.get("msg", "")), error.get("input")
    if isinstance(sent, str) and sent:
        message = message.replace(sent, "…")
    place = [part if isinstance(part, int) else str(part)[:PART_MAX] for part in error.get("loc") or ()]
    return {"type": str(error.get("type", "")), "loc": place, "msg": message[:MESSAGE_MAX]}
