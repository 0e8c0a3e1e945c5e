"""Check whether every value of one JSON Schema is valid by another, and if not, where and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

__all__ = ["Comparison", "Direction"]

#: ``"in"``: clients send the messages, so old messages must be valid by the new schema. ``"out"``: clients get the
#: messages, so new messages must be valid by the old schema.
Direction = Literal["in", "out"]

_LOWER = {"minimum": 0, "exclusiveMinimum": 0, "minLength": 0, "minItems": 0, "minProperties": 0}
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_WORDS = {
    "in": {"type": "takes {new} now, and took {old}", "bound": "has another {key}: {new} in place of {old}"},
    "out": {"type": "may be {new} now, and was {old}", "bound": "has another {key}: {new} in place of {old}"},
}
#: Schemas below this depth count as equal.
DEEPEST = 60


class Comparison:
    """Compares schemas of two documents.

    Args:
        old, new: the documents with the schemas of references.
    """

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self.old = old
        self.new = new
        self._seen: set[tuple[str, str, str]] = set()

    def breaks(self, where: str, old: Any, new: Any, direction: Direction) -> Iterator[str]:
        """Yield the changes that break clients, one sentence each.

        Args:
            where: the name of the schema's place, for the sentences.
            old, new: the schemas.
            direction: the direction of the messages.
        """
        self._seen.clear()
        yield from dict.fromkeys(self._compare(where, old, new, direction, 0))

    def _compare(self, where: str, old: Any, new: Any, way: Direction, depth: int) -> Iterator[str]:
        if depth > DEEPEST or self._again(old, new, where):
            return
        old, new = _whole(self.old, old), _whole(self.new, new)
        # Every value of ``inner`` has to be one of ``outer``.
        inner, outer = (old, new) if way == "in" else (new, old)
        if _is_any(outer) or inner is False:
            return
        if _alternatives(inner) or _alternatives(outer):
            yield from self._unions(where, old, new, way, depth)
            return
        known, allowed = _values(inner), _values(outer)
        if allowed is not None:
            lost = None if known is None else [value for value in known if value not in allowed]
            if lost is None or lost:
                yield f"{where} {_said(way, 'type', old, new)}"
            return
        if known is not None:
            kinds = {_kind_of(value) for value in known}
            if not _within(kinds, _kinds(outer)) or not all(_fits(value, outer) for value in known):
                yield f"{where} {_said(way, 'type', old, new)}"
            return
        if not _within(_kinds(inner), _kinds(outer)):
            yield f"{where} {_said(way, 'type', old, new)}"
            return
        yield from _bounds(where, inner, outer, old, new, way)
        yield from self._arrays(where, old, new, way, depth)
        yield from self._objects(where, old, new, way, depth)

    def _again(self, old: Any, new: Any, where: str) -> bool:
        """Return whether an outer call compares these two models already."""
        if not isinstance(old, dict) or not isinstance(new, dict) or "$ref" not in old or "$ref" not in new:
            return False
        key = (str(old["$ref"]), str(new["$ref"]), "")
        if key in self._seen:
            return True
        self._seen.add(key)
        return False

    def _unions(self, where: str, old: Any, new: Any, way: Direction, depth: int) -> Iterator[str]:
        inner, outer = (old, new) if way == "in" else (new, old)
        choices = _alternatives(outer) or [outer]
        values = _values(inner) or []
        ones = _alternatives(inner) or [{"const": value} for value in values] or [inner]
        for one in ones:
            found: list[list[str]] = []
            for other in choices:
                pair = (one, other) if way == "in" else (other, one)
                before = set(self._seen)
                found.append(list(self._compare(where, *pair, way, depth + 1)))
                self._seen = before
                if not found[-1]:
                    break
            else:
                # Of the choices, report the one with the fewest differences.
                near = min(found, key=len)
                alone = len(choices) == 1 or _named(one) in map(_named, choices)
                yield from near if alone and near else [f"{where} {_said(way, 'type', old, new)}"]

    def _arrays(self, where: str, old: Any, new: Any, way: Direction, depth: int) -> Iterator[str]:
        before, after = old.get("items"), new.get("items")
        for mine, theirs in ((old, before), (new, after)):
            if "prefixItems" in mine and not isinstance(theirs, list):
                before, after = old.get("prefixItems"), new.get("prefixItems")
        if isinstance(before, list) and isinstance(after, list):
            for index, (one, other) in enumerate(zip(before, after, strict=False)):
                yield from self._compare(f"{where}[{index}]", one, other, way, depth + 1)
        elif isinstance(before, dict) and isinstance(after, dict):
            yield from self._compare(f"{where}[]", before, after, way, depth + 1)
        elif isinstance(after if way == "in" else before, dict) and isinstance(before if way == "in" else after, list):
            # Each single item must be valid by the other's items.
            for index, one in enumerate(before if way == "in" else after):
                pair = (one, after) if way == "in" else (before, one)
                yield from self._compare(f"{where}[{index}]", *pair, way, depth + 1)
        elif before != after and (after if way == "in" else before) is not None:
            yield f"{where} {_said(way, 'type', old, new)}"

    def _objects(self, where: str, old: Any, new: Any, way: Direction, depth: int) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        if way == "in":
            for name in sorted(needs - needed):
                yield f"{where}.{name} is required now"
            if new.get("additionalProperties") is False:
                for name in sorted(set(before) - set(after)):
                    yield f"{where}.{name} is not taken any more"
        else:
            for name in sorted(set(before) - set(after)):
                yield f"{where}.{name} is gone"
            for name in sorted((needed - needs) & set(after)):
                yield f"{where}.{name} may be missing now"
        others, now = old.get("additionalProperties"), new.get("additionalProperties")
        for name in dict.fromkeys([*before, *after]):
            one, two = before.get(name, others), after.get(name, now)
            if name in before and name in after or isinstance(one, dict) and isinstance(two, dict):
                yield from self._compare(f"{where}.{name}", one, two, way, depth + 1)
        if isinstance(others, dict) and isinstance(now, dict):
            yield from self._compare(f"{where}.*", others, now, way, depth + 1)
            return
        # A map became an object of any members, or the reverse.
        inner, outer, named = (others, now, before) if way == "in" else (now, others, after)
        if (isinstance(outer, dict) and not named) or (isinstance(inner, dict) and outer is False):
            yield f"{where} has other members: {_in_words(_free(now))} in place of {_in_words(_free(others))}"


def _free(others: Any) -> Any:
    """Return the schema of members without a declared name."""
    return True if others is None else others


def _bounds(where: str, inner: Any, outer: Any, old: Any, new: Any, way: Direction) -> Iterator[str]:
    """Yield the bounds of ``outer`` that are tighter than those of ``inner``."""
    for key in _LOWER:
        if key in outer and not (key in inner and inner[key] >= outer[key]):
            if key == "minimum" and inner.get("exclusiveMinimum", outer[key] - 1) >= outer[key]:
                continue
            yield f"{where} " + _WORDS[way]["bound"].format(key=key, new=new.get(key, "none"), old=old.get(key, "none"))
    for key in _UPPER:
        if key in outer and not (key in inner and inner[key] <= outer[key]):
            if key == "maximum" and inner.get("exclusiveMaximum", outer[key] + 1) <= outer[key]:
                continue
            yield f"{where} " + _WORDS[way]["bound"].format(key=key, new=new.get(key, "none"), old=old.get(key, "none"))
    for key in ("pattern", "format", "multipleOf"):
        if key in outer and inner.get(key) != outer[key]:
            yield f"{where} " + _WORDS[way]["bound"].format(key=key, new=new.get(key, "none"), old=old.get(key, "none"))


def _fits(value: Any, schema: Any) -> bool:
    """Return whether a value of the right type is within the bounds."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    size = len(value) if isinstance(value, str) else 0
    return not (
        (number and "minimum" in schema and value < schema["minimum"])
        or (number and "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"])
        or (number and "maximum" in schema and value > schema["maximum"])
        or (number and "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"])
        or (isinstance(value, str) and not schema.get("minLength", 0) <= size <= schema.get("maxLength", size))
        or (isinstance(value, str) and ("pattern" in schema or "format" in schema))
    )


def tags_of(document: Mapping[str, Any], schema: Any, tag: str) -> list[Any]:
    """Return the values that a member may have, if the schema lists them.

    Args:
        document: the document with the schemas of references.
        schema: a schema of an object.
        tag: the member.
    """
    found = _whole(document, schema)
    member = found.get("properties", {}).get(tag) if isinstance(found, dict) else None
    return _values(_whole(document, member)) or [] if member is not None else []


def _whole(document: Mapping[str, Any], schema: Any) -> Any:
    """Return a schema without references and without an ``allOf`` of one."""
    for _ in range(DEEPEST):
        if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            schema = follow(document, schema["$ref"])
        elif isinstance(schema, dict) and len(schema.get("allOf", ())) == 1:
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            schema = {**_whole(document, schema["allOf"][0]), **rest}
        else:
            break
    return schema if isinstance(schema, (dict, bool)) else {}


def follow(document: Mapping[str, Any], reference: str) -> Any:
    """Return the schema of a reference; that of any value for an unknown reference."""
    value: Any = document
    for part in reference.removeprefix("#/").split("/"):
        value = value.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    return {} if value is None else value


def _is_any(schema: Any) -> bool:
    keys = {"title", "description", "default", "examples", "deprecated"}
    return schema is True or (isinstance(schema, dict) and not schema.keys() - keys)


def _alternatives(schema: Any) -> list[Any]:
    found = schema.get("anyOf", schema.get("oneOf", [])) if isinstance(schema, dict) else []
    return found if isinstance(found, list) else []


def _named(schema: Any) -> Any:
    return schema.get("$ref", schema.get("type")) if isinstance(schema, dict) else None


def _values(schema: Any) -> list[Any] | None:
    if not isinstance(schema, dict):
        return None
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _kinds(schema: Any) -> set[str] | None:
    """Return the types that a schema allows; None for all."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind is None:
        return None
    return set(kind) if isinstance(kind, list) else {kind}


def _kind_of(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "object"


def _within(inner: set[str] | None, outer: set[str] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and all(kind in outer or (kind == "integer" and "number" in outer) for kind in inner)


def _said(way: Direction, key: str, old: Any, new: Any) -> str:
    return _WORDS[way][key].format(old=_in_words(old), new=_in_words(new))


def _in_words(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "anything" if schema else "nothing"
    if (values := _values(schema)) is not None:
        return " or ".join(json.dumps(value, ensure_ascii=False) for value in values)
    if choices := _alternatives(schema):
        return " or ".join(dict.fromkeys(map(_in_words, choices)))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    kinds = _kinds(schema)
    return "anything" if kinds is None else " or ".join(sorted(kinds))
