"""Values for a JSON Schema, and what breaks a message, as strategies of Hypothesis.

wirefast only.
"""

from __future__ import annotations

import re
import string
from typing import Any

import orjson
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["JSON", "broken", "values_of"]

#: Below so many levels of a schema that refers to itself, a reference becomes null.
DEEPEST = 4
#: The most members of an object, or items of an array, without a bound in the schema.
MOST = 4

TEXT = st.text(max_size=40)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT
JSON: SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=MOST) | st.dictionaries(TEXT, inner, max_size=MOST), max_leaves=12
)
FORMATS: dict[str, SearchStrategy[str]] = {
    "date-time": st.datetimes().map(lambda value: value.isoformat() + "Z"),
    "date": st.dates().map(lambda value: value.isoformat()),
    "time": st.times().map(lambda value: value.isoformat()),
    "uuid": st.uuids().map(str),
    "email": st.from_regex(r"\A[a-z]{1,8}@[a-z]{1,8}\.org\Z"),
    "uri": st.from_regex(r"\Ahttps?://[a-z]{1,12}\.org/[a-z]{0,8}\Z"),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "duration": st.integers(0, 10**6).map(lambda seconds: f"PT{seconds}S"),
}

#: JSON that parsers read differently, and texts that are nearly JSON.
ODD = [
    b"",
    b"\xef\xbb\xbf",
    b"null",
    b"{",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"9" * 5000,
    b'{"type": 1}',
    b'{"a": 1, "a": 2}',
]


def values_of(schema: dict[str, Any]) -> SearchStrategy[Any]:
    """Return a strategy for JSON values that a schema of pydantic allows.

    Args:
        schema: a result of ``TypeAdapter.json_schema()``, with its ``$defs``.
    """
    return _of(schema, schema.get("$defs", {}), 0)


def _of(schema: Any, known: dict[str, Any], depth: int) -> SearchStrategy[Any]:
    if schema is True or not schema:
        return JSON
    if "$ref" in schema:
        if depth > DEEPEST:
            return st.none()
        return st.deferred(lambda: _of(known[schema["$ref"].rpartition("/")[2]], known, depth + 1))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([_of(part, known, depth) for part in schema[several]])
    if "allOf" in schema:
        return _of({**schema, **schema["allOf"][0], "allOf": None}, known, depth)
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([_of({**schema, "type": part}, known, depth) for part in kind])
    makers = {"object": _object, "array": _array, "string": _string, "integer": _integer, "number": _number}
    if kind in makers:
        return makers[kind](schema, known, depth)
    return {"boolean": st.booleans(), "null": st.none()}.get(kind or "", JSON)


def _object(schema: dict[str, Any], known: dict[str, Any], depth: int) -> SearchStrategy[Any]:
    members = {name: _of(part, known, depth) for name, part in schema.get("properties", {}).items()}
    needed = [name for name in schema.get("required", ()) if name in members]
    optional = {name: strategy for name, strategy in members.items() if name not in needed}
    fixed = st.fixed_dictionaries({name: members[name] for name in needed}, optional=optional)
    more = schema.get("additionalProperties")
    if not members and more is not False:
        return st.dictionaries(TEXT, _of(more or True, known, depth), max_size=MOST)
    return fixed


def _array(schema: dict[str, Any], known: dict[str, Any], depth: int) -> SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*[_of(part, known, depth) for part in schema["prefixItems"]]).map(list)
    least = schema.get("minItems", 0)
    most = min(schema.get("maxItems", least + MOST), least + MOST)
    unique = orjson.dumps if schema.get("uniqueItems") else None
    return st.lists(_of(schema.get("items", True), known, depth), min_size=least, max_size=most, unique_by=unique)


def _string(schema: dict[str, Any], known: dict[str, Any], depth: int) -> SearchStrategy[Any]:
    if "pattern" in schema:
        # Python's $ also matches before a last newline. pydantic's does not.
        return st.from_regex(re.sub(r"(?<!\\)\$$", r"\\Z", schema["pattern"]))
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    least = schema.get("minLength", 0)
    return st.text(min_size=least, max_size=min(schema.get("maxLength", least + 60), least + 60))


def _integer(schema: dict[str, Any], known: dict[str, Any], depth: int) -> SearchStrategy[Any]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        least = int(schema["exclusiveMinimum"]) + 1
    if "exclusiveMaximum" in schema:
        most = int(schema["exclusiveMaximum"]) - 1
    return st.integers(None if least is None else int(least), None if most is None else int(most))


def _number(schema: dict[str, Any], known: dict[str, Any], depth: int) -> SearchStrategy[Any]:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    return st.floats(
        least,
        most,
        allow_nan=False,
        allow_infinity=False,
        exclude_min="exclusiveMinimum" in schema,
        exclude_max="exclusiveMaximum" in schema,
    )


@st.composite
def broken(draw: st.DrawFn, valid: SearchStrategy[Any]) -> bytes:
    """Return a message that is nearly right: JSON with an error, or text that is no JSON."""
    value = draw(valid)
    how = draw(st.sampled_from(["lost", "other", "more", "cut", "swapped", "deep", "surrogate", "junk", "long", "odd"]))
    if isinstance(value, dict) and value and how in ("lost", "other", "more"):
        key = draw(st.sampled_from(sorted(value)))
        if how == "lost":
            value = {name: item for name, item in value.items() if name != key}
        else:
            value = {**value, (key if how == "other" else draw(TEXT)): draw(JSON)}
    if isinstance(value, dict) and value and how == "long":
        value = {**value, draw(st.sampled_from(sorted(value))): draw(st.sampled_from(["x", "ü", '"'])) * 70_000}
    text = orjson.dumps(_fitting(value))
    if how == "cut" and len(text) > 1:
        return text[: draw(st.integers(1, len(text) - 1))]
    if how == "swapped" and len(text) > 1:
        at = draw(st.integers(0, len(text) - 1))
        return text[:at] + draw(st.sampled_from(list(string.printable))).encode() + text[at + 1 :]
    if how == "odd":
        return draw(st.sampled_from(ODD)) + (text if draw(st.booleans()) else b"")
    if how == "deep":
        levels = draw(st.sampled_from([100, 2_000, 100_000]))
        return b"[" * levels + b"]" * levels
    if how == "surrogate":
        return b'{"type": "\\ud800", "ref": "\\udfff", "text": "\\u0000"}'
    if how == "junk":
        return draw(st.binary(max_size=60)).decode("latin-1").encode()
    return text


def _fitting(value: Any) -> Any:
    """Return a value that orjson accepts. Larger integers become floats, whose JSON is a number too."""
    if isinstance(value, dict):
        return {name: _fitting(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fitting(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
