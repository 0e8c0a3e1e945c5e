"""The errors of messages that a client gets: without what the client sent, unless the route includes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import PydanticUndefined, core_schema

from wirefast._core.message_errors import Disconnect as Disconnect
from wirefast._core.message_errors import InvalidMessage as InvalidMessage
from wirefast._core.message_errors import MessageError as MessageError
from wirefast.dependencies import message_types
from wirefast.encoders import jsonable_encoder
from wirefast.exception_handlers import public_error

#: How many errors of one message a client gets; a message may have a hundred thousand.
MAX_ERRORS = 20
#: Values in the input of one error that its words are searched for; with more of them the words are left out.
MAX_QUOTED = 100

# The errors whose words are pydantic's own: they quote nothing but what _told() and public_error() take out. Words of
# validators of the application may quote what was sent.
_PYDANTIC_WORDS = frozenset(get_args(core_schema.ErrorType)) - {"value_error", "assertion_error"}


class Explain:
    """Makes the code and the errors of a reply from pydantic's error.

    Args:
        types: the types of all messages. The names of their members may stand in the place of an error; other keys of
            the message are the client's and are hidden.
        include_input: whether each error holds what the client sent there.
    """

    def __init__(self, types: list[Any], include_input: bool) -> None:
        self.types = types
        self.include_input = include_input
        # Made at the first use, since it reads the JSON schema of each type.
        self.known_names: frozenset[str] | None = None

    def __call__(self, exc: ValidationError, payload: str | bytes) -> tuple[str, list[dict[str, Any]] | None]:
        errors = exc.errors(include_url=False)
        if any(error["type"] == "json_invalid" and not error["loc"] for error in errors):
            return "malformed", None
        if self.known_names is None:
            self.known_names = message_types.property_names(self.types)
        hidden = set(_keys(payload)) - self.known_names
        return "invalid", [self._told(error, hidden) for error in errors[:MAX_ERRORS]]

    def _told(self, error: Any, hidden: set[str]) -> dict[str, Any]:
        if error["type"] not in _PYDANTIC_WORDS:
            error = {**error, "msg": _unquoted(error["msg"], error.get("input"), hidden)}
        told: dict[str, Any] = public_error(error)
        told["loc"] = ["…" if part in hidden else part for part in told["loc"]]
        context = error.get("ctx") or {}
        if error["type"] == "union_tag_invalid":
            told["msg"] = f"The tag is none of those expected: {context.get('expected_tags')}"
        elif error["type"] == "uuid_parsing":
            told["msg"] = "Input should be a valid UUID"
        if self.include_input and error.get("input", PydanticUndefined) is not PydanticUndefined:
            told["input"] = jsonable_encoder(error["input"])
        return told


def _unquoted(words: str, sent: Any, names: set[str]) -> str:
    """Return the words of an error without the values that the client sent, as they stand in the message."""
    quoted = {name for name in names if name}
    waiting = [sent]
    for _ in range(MAX_QUOTED):
        if not waiting:
            break
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif value is not None and not isinstance(value, bool) and str(value):
            quoted.add(str(value))
    if waiting or len(quoted) > MAX_QUOTED:
        return "The value is not valid"
    # The longest first: a shorter one may be a part of it.
    for value in sorted(quoted, key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", words)
    return words


def _keys(payload: str | bytes) -> Iterator[str]:
    """Every key of every object in a message."""
    try:
        waiting = [json.loads(payload)]
    except (ValueError, RecursionError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
