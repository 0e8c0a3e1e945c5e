"""Messages, and what a test may expect: a type, a value, a predicate or a matcher. wirefast only."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json, to_jsonable_python

__all__ = ["ABSENT", "ReceivedMessage", "Mismatch", "cut", "described", "match", "matches", "to_payload"]

ABSENT: Any = object()
#: Says no value: an error names the expectation before it and the message behind it.
ANOTHER = "it is another value"
PLAIN = (dict, list, int, float, bool, type(None))


class Mismatch(Exception):
    """The difference between a message and the expectation."""


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A whole message from the server.

    Attributes:
        data: str for a text message, bytes for a binary one.
    """

    data: str | bytes

    @property
    def json(self) -> Any:
        """The JSON value; `ABSENT` if the message is no JSON."""
        try:
            return from_json(self.data, allow_inf_nan=False)
        except ValueError:
            return ABSENT


def match(wanted: Any, message: ReceivedMessage) -> Any:
    """Compare a message with an expectation, and return the message's value.

    Args:
        wanted: a type (``str`` for text, ``bytes`` for binary, a pydantic model, a union, any type that a TypeAdapter
            takes), a str or bytes (the whole message), a model (the same type and value), a predicate that gets the
            JSON value, the text or the bytes, or anything that ``==`` compares with those, such as a dict or one of
            dirty-equals' matchers.
        message: the message that came.

    Raises:
        Mismatch: the message is not as expected. The text has the difference.
    """
    data = message.data
    if isinstance(wanted, (str, bytes)):
        if wanted != data:
            raise Mismatch(ANOTHER)
        return data
    if wanted is str or wanted is bytes:
        if type(data) is not wanted:
            raise Mismatch(f"it is a {'text' if isinstance(data, str) else 'binary'} message")
        return data
    if isinstance(wanted, BaseModel):
        found = _validated(type(wanted), message)
        if found != wanted:
            raise Mismatch(ANOTHER)
        return found
    if wanted is not Any and _is_type(wanted):
        return _validated(wanted, message)
    value = message.json
    if value is ABSENT:
        value = data
    if wanted is Any:
        return value
    if isinstance(wanted, PLAIN):
        if wanted != value or isinstance(wanted, bool) != isinstance(value, bool):
            raise Mismatch(ANOTHER)
        return value
    if isinstance(wanted, (types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        if not wanted(value):
            raise Mismatch("it is not true of the message")
        return value
    if wanted == value:
        return value
    if wanted == data:
        return data
    if callable(wanted) and type(wanted).__dict__.get("__eq__") is None and wanted(value):
        return value
    raise Mismatch(ANOTHER)


def _is_type(wanted: Any) -> bool:
    if isinstance(wanted, type) and typing.get_origin(wanted) is None:  # list[int] is a type in Python 3.10
        # The class of a dirty-equals matcher may stand for the matcher.
        return not _is_matcher_class(wanted)
    return (
        isinstance(wanted, TypeAdapter) or typing.get_origin(wanted) is not None or isinstance(wanted, types.UnionType)
    )


def _is_matcher_class(wanted: type) -> bool:
    return type(wanted).__eq__ is not type.__eq__


@lru_cache(maxsize=256)
def _adapter(wanted: Any) -> TypeAdapter[Any]:
    return TypeAdapter(wanted)


def _validated(wanted: Any, message: ReceivedMessage) -> Any:
    try:
        adapter = wanted if isinstance(wanted, TypeAdapter) else _adapter(wanted)
    except TypeError:  # not hashable
        adapter = TypeAdapter(wanted)
    try:
        found = adapter.validate_json(message.data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Mismatch(f"it is no {described(wanted)}: {place + ': ' if place else ''}{first['msg']}") from None
    _check_tags(found, message)
    return found


def _check_tags(found: Any, message: ReceivedMessage) -> None:
    """Refuse a message that lacks a tag, which the model's default would add."""
    if isinstance(found, BaseModel):
        value = message.json
        for name, field in type(found).model_fields.items():
            if typing.get_origin(field.annotation) is typing.Literal:
                key = field.serialization_alias or field.alias or name
                if isinstance(value, dict) and key not in value and name not in value:
                    raise Mismatch(f"it is no {type(found).__name__}: {key}: the message has no such member")


def described(wanted: Any) -> str:
    """Return an expectation in words."""
    if isinstance(wanted, type):
        return wanted.__name__
    if isinstance(wanted, types.FunctionType):
        name = wanted.__qualname__.rpartition(".<locals>.")[2]
        return f"the predicate at line {wanted.__code__.co_firstlineno}" if "<lambda>" in name else name
    text = repr(wanted)
    return text if len(text) <= 200 else text[:200] + "…"


def to_payload(value: Any, ref: int | str | None = None, *, as_json: bool = False) -> tuple[bool, bytes]:
    """Turn a value into a message of the client. Return whether the message is text, and its bytes.

    Args:
        value: a str (text), bytes (binary), or a value with a JSON form: a model, dict, list or number.
        ref: a value for the JSON object's member ``"ref"``.
        as_json: whether a str becomes a JSON string.

    Raises:
        TypeError: a ``ref`` is given for a value that is no JSON object.
    """
    if not as_json and isinstance(value, (str, bytes, bytearray, memoryview)):
        if ref is not None:
            raise TypeError("only a JSON object can carry a ref, not text or bytes")
        return isinstance(value, str), value.encode() if isinstance(value, str) else bytes(value)
    plain = to_jsonable_python(value, by_alias=True)
    if ref is not None:
        if not isinstance(plain, dict):
            raise TypeError(f"only a JSON object can carry a ref, not {type(plain).__name__}")
        plain = {**plain, "ref": ref}
    return True, to_json(plain)


def matches(wanted: Any, message: ReceivedMessage) -> bool:
    """Tell whether a message is as expected; see `match`."""
    try:
        match(wanted, message)
    except Mismatch:
        return False
    return True


def cut(data: str | bytes) -> str:
    """Return a message in the form for the text of a failure."""
    text = repr(data)
    return text if len(text) <= 500 else f"{text[:500]}… ({len(data)} in all)"
