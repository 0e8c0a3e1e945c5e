"""The options ``response_model_...`` of replies, and their effect on the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

__all__ = ["PLAIN", "Writing", "narrowed", "without_null", "writing_of"]


class Writing(NamedTuple):
    """The options of one handler's replies.

    Attributes:
        by_alias: members have their aliases, not the names of the fields.
        without_null: members that are None are left out, at every depth.
        without_defaults: members that have their defaults, or were not set, are left out.
        include, exclude: the fields that are written, and those that are not, as pydantic takes them.
    """

    by_alias: bool = True
    without_null: bool = False
    without_defaults: bool = False
    include: Any = None
    exclude: Any = None

    @property
    def suffix(self) -> str:
        """The end of the names of models that are written with these options."""
        words = {"ByName": not self.by_alias, "NoNull": self.without_null, "NoDefaults": self.without_defaults}
        return "".join(f"-{word}" for word, used in words.items() if used)


#: The writing of replies without options.
PLAIN = Writing()


def writing_of(options: Mapping[str, Any]) -> Writing:
    """Return the writing of a handler's options.

    Args:
        options: the options of pydantic's serializer, those that were given.
    """
    return Writing(
        by_alias=options.get("by_alias") is not False,
        without_null=bool(options.get("exclude_none")),
        without_defaults=bool(options.get("exclude_unset") or options.get("exclude_defaults")),
        include=options.get("include"),
        exclude=options.get("exclude"),
    )


def without_null(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema whose members are absent if they would be null.

    Args:
        schema: draft 7.
        definitions: the schemas of references, by name.
    """
    if isinstance(schema, list):
        return [without_null(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: value if key in ("const", "enum", "default", "examples") else without_null(value, definitions)
        for key, value in schema.items()
    }
    if isinstance(made.get("properties"), dict):
        may_lack = {name for name, item in schema["properties"].items() if _takes_null(item, definitions, 0)}
        members = {name: _stripped(item) if name in may_lack else item for name, item in made["properties"].items()}
        made["properties"] = {name: item for name, item in members.items() if item is not None}
        required = [name for name in made.pop("required", ()) if name not in may_lack]
        if required:
            made["required"] = required
    return made


def _takes_null(schema: Any, definitions: Mapping[str, Any], depth: int) -> bool:
    if not isinstance(schema, dict) or depth > 20:
        return schema is True
    if "$ref" in schema:
        return _takes_null(definitions.get(schema["$ref"].rpartition("/")[2]), definitions, depth + 1)
    for key, decide in (("anyOf", any), ("oneOf", any), ("allOf", all)):
        if key in schema:
            return decide(_takes_null(item, definitions, depth + 1) for item in schema[key])
    if "const" in schema or "enum" in schema:
        return None in schema.get("enum", [schema.get("const")])
    kind = schema.get("type")
    return kind is None or kind == "null" or (isinstance(kind, list) and "null" in kind)


def _stripped(schema: Any) -> Any:
    """Return a member's schema without null among its types; None if no other type is left."""
    if not isinstance(schema, dict) or schema.get("type") == "null":
        return None if isinstance(schema, dict) else schema
    made = {key: value for key, value in schema.items() if key != "default" or value is not None}
    for key in ("anyOf", "oneOf"):
        left = [item for item in made.get(key, ()) if item != {"type": "null"}]
        if len(left) == 1 and not set(left[0]) & set(made):
            del made[key]
            made.update(left[0] if "$ref" not in left[0] or not made else {"allOf": left})
        elif left:
            made[key] = left
    if None in made.get("enum", ()):
        made["enum"] = [value for value in made["enum"] if value is not None]
    return made


def narrowed(schema: dict[str, Any], annotation: Any, writing: Writing, definitions: Mapping[str, Any]) -> Any:
    """Return the schema of a model with only the written members.

    Args:
        schema: the schema of an object; the schema of another type, whose items may be left out, becomes that of any
            value.
        annotation: its type.
        writing: the options.
        definitions: the schemas of references by name.
    """
    if writing.include is None and writing.exclude is None:
        return schema
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        return {}
    fields = _fields(annotation) if writing.by_alias else {}
    members = {}
    for name, item in schema["properties"].items():
        field = fields.get(name, name)
        include, exclude = _of_field(writing.include, field, True), _of_field(writing.exclude, field, False)
        if include is False or exclude is True:
            continue
        below = Writing(writing.by_alias, include=_nested(include), exclude=_nested(exclude))
        if below.include is not None or below.exclude is not None:
            found = definitions.get(item["$ref"].rpartition("/")[2], {}) if set(item) == {"$ref"} else item
            item = narrowed(found, _annotation(annotation, field), below, definitions)
        members[name] = item
    made = {**schema, "properties": members}
    required = [name for name in made.pop("required", ()) if name in members]
    return {**made, **({"required": required} if required else {})}


def _of_field(given: Any, field: str, without: bool) -> Any:
    """Return the value of an option for a field: True, False, or the option for its members."""
    if given is None:
        return without
    if not isinstance(given, Mapping):
        return field in given
    found = given.get(field, given.get("__all__", False))
    return True if found is ... else found


def _nested(said: Any) -> Any:
    return None if isinstance(said, bool) else said


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(annotation: Any) -> dict[str, str]:
    """Return the fields of a model by their written names."""
    if not _is_model(annotation):
        return {}
    found = {info.serialization_alias or name: name for name, info in annotation.model_fields.items()}
    return found | {info.alias or name: name for name, info in annotation.model_computed_fields.items()}


def _annotation(annotation: Any, field: str) -> Any:
    info = annotation.model_fields.get(field) if _is_model(annotation) else None
    return None if info is None else info.annotation
