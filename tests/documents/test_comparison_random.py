"""Random schemas and changes with a known verdict: what breaks clients is named, and what cannot is not.

The verdict of a break is jsonschema's: a message that the old schema allows and the new one does not, or the other way.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from wirefast.documents.comparison.schemas import Comparison

EXAMPLES = int(os.environ.get("WIREFAST_COMPARISON_EXAMPLES", "400"))
SOME = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
WORDS = ["", "a", "bb", "ccc", "dddd"]
MEMBERS = ["m", "n", "o"]


def bounded(kind: str, low: str, high: str, least: int, most: int) -> st.SearchStrategy[dict[str, Any]]:
    def of(bounds: tuple[int | None, int | None]) -> dict[str, Any]:
        found = [bound for bound in bounds if bound is not None]
        pair = bounds if len(found) < 2 else (min(found), max(found))
        named = {low: pair[0], high: pair[1]}
        return {"type": kind, **{name: bound for name, bound in named.items() if bound is not None}}

    bound = st.none() | st.integers(least, most)
    return st.tuples(bound, bound).map(of)


LEAVES = st.one_of(
    bounded("string", "minLength", "maxLength", 0, 4),
    bounded("integer", "minimum", "maximum", -2, 3),
    bounded("number", "exclusiveMinimum", "exclusiveMaximum", -2, 3),
    st.sampled_from(["boolean", "null"]).map(lambda kind: {"type": kind}),
    st.sampled_from([*WORDS, 1, 2, None]).map(lambda value: {"const": value}),
    st.lists(st.sampled_from([*WORDS, 1, 2, 3]), min_size=2, max_size=3, unique=True).map(lambda some: {"enum": some}),
)


@st.composite
def objects(draw: Any, below: st.SearchStrategy[Any]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(MEMBERS), unique=True, min_size=1))
    needed = draw(st.lists(st.sampled_from(names), unique=True))
    return {"type": "object", "properties": {name: draw(below) for name in names}, "required": needed}


SCHEMAS = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        objects(below),
        below.map(lambda item: {"type": "array", "items": item}),
        below.map(lambda item: {"type": "object", "additionalProperties": item}),
        st.lists(below, min_size=2, max_size=3).map(lambda some: {"anyOf": some}),
        st.lists(below, min_size=1, max_size=2).map(
            lambda some: {"type": "array", "items": some, "minItems": len(some), "maxItems": len(some)}
        ),
    ),
    max_leaves=6,
)


@st.composite
def values(draw: Any, schema: Any) -> Any:
    """What the schema allows, without members that it does not name; some is near its bounds, some past them."""
    if "anyOf" in schema:
        return draw(values(draw(st.sampled_from(schema["anyOf"]))))
    if "const" in schema or "enum" in schema:
        return draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
    kind = schema["type"]
    if kind == "object" and "properties" in schema:
        names = [name for name in schema["properties"] if name in schema["required"] or draw(st.booleans())]
        return {name: draw(values(schema["properties"][name])) for name in names}
    if kind == "object":
        return {name: draw(values(schema["additionalProperties"])) for name in draw(st.sets(st.sampled_from(MEMBERS)))}
    if kind == "array" and isinstance(schema["items"], list):
        return [draw(values(item)) for item in schema["items"]]
    if kind == "array":
        return [draw(values(schema["items"])) for _ in range(draw(st.integers(0, 2)))]
    simple: dict[str, Any] = {
        "string": st.sampled_from(["", "x", "a", "xx", "bb", "xxx", "xxxx", "xxxxx"]),
        "integer": st.integers(-4, 5),
        "number": st.integers(-4, 5) | st.sampled_from([-2.5, -0.5, 0.5, 1.5, 2.5, 3.5]),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return draw(simple[kind])


def breaks(old: Any, new: Any, way: Any) -> list[str]:
    return list(Comparison({}, {}).breaks("it", old, new, way))


@SOME
@given(st.data(), SCHEMAS, SCHEMAS)
def test_no_break_is_missed(data: st.DataObject, one: Any, other: Any) -> None:
    value = data.draw(values(one))
    if Draft7Validator(one).is_valid(value) and not Draft7Validator(other).is_valid(value):
        assert breaks(one, other, "in"), value  # clients send it, and it is not taken any more
        assert breaks(other, one, "out"), value  # it is sent, and clients do not know it


@st.composite
def wider(draw: Any, schema: Any) -> Any:
    """A schema that allows all that this one does, and perhaps more."""
    change = draw(st.integers(0, 5))
    if change == 0:
        return schema
    if change == 1:
        return {"anyOf": [*schema.get("anyOf", [schema]), draw(SCHEMAS)]}
    made = dict(schema)
    if "anyOf" in made:
        made["anyOf"] = draw(st.permutations([draw(wider(item)) for item in made["anyOf"]]))
    elif "const" in made:
        return {"enum": [made["const"], "another"]}
    elif "enum" in made:
        made["enum"] = [*made["enum"], "another"]
    elif made["type"] == "array" and isinstance(made["items"], list):
        if change == 2:
            return {"type": "array", "items": {"anyOf": made["items"]}}
        made["items"] = [draw(wider(item)) for item in made["items"]]
    elif made["type"] == "array":
        made["items"] = draw(wider(made["items"]))
    elif "additionalProperties" in made:
        made["additionalProperties"] = draw(wider(made["additionalProperties"]))
    elif made["type"] == "object":
        made["properties"] = {name: draw(wider(item)) for name, item in made["properties"].items()}
        made["required"] = [name for name in made["required"] if draw(st.booleans())]
    else:
        for low in ("minLength", "minimum", "exclusiveMinimum"):
            if low in made:
                made[low] = max(0, made[low] - 1) if low == "minLength" else made[low] - 1
        for high in ("maxLength", "maximum", "exclusiveMaximum"):
            if high in made:
                made[high] += draw(st.integers(0, 2))
        if made["type"] == "integer" and change == 2:
            made["type"] = "number"
    return made


@SOME
@given(st.data(), SCHEMAS)
def test_what_breaks_nobody_is_not_named(data: st.DataObject, schema: Any) -> None:
    more = data.draw(wider(schema))
    assert breaks(schema, more, "in") == []
    assert breaks(more, schema, "out") == []
