"""The JSON Schemas of one AsyncAPI document, in AsyncAPI's dialect, draft 7.

pydantic gets all types in one call, because only then it can name the models; see ``documents.schemas``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from wirefast.dependencies.fields import ModelField
from wirefast.documents.asyncapi.writing import PLAIN, Writing, without_null
from wirefast.documents.schemas import Mode

__all__ = ["MessageType", "definition_name", "draft7", "make_schemas"]

REF_TEMPLATE = "#/components/schemas/{model}"


class MessageType:
    """A type of messages, and their direction.

    Args:
        annotation: the type.
        mode: ``"validation"`` for what the application receives, ``"serialization"`` for what it sends.
        writing: the options of its writer.
    """

    def __init__(self, annotation: Any, mode: Mode, writing: Writing = PLAIN) -> None:
        self.annotation = annotation
        self.mode: Mode = mode
        self.writing = writing

    def core_schema(self) -> CoreSchema:
        """pydantic's schema of the type; the schema of any value if pydantic has none."""
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(self.annotation)
            if not adapter.pydantic_complete:
                adapter.rebuild(raise_errors=True)
            return adapter.core_schema
        except (PydanticSchemaGenerationError, NameError):
            return core_schema.any_schema()


class _Generator(GenerateJsonSchema):
    """pydantic's generator. Members with defaults are required in written messages, since they are always present.

    Args:
        writing: how the types are written.
    """

    def __init__(self, writing: Writing) -> None:
        super().__init__(by_alias=writing.by_alias, ref_template=f"{REF_TEMPLATE}{writing.suffix}")
        self.writing = writing

    def field_is_required(self, field: Any, total: bool) -> bool:
        plain = field["type"] != "typed-dict-field" and not self.writing.without_defaults
        if self.mode == "serialization" and plain:
            return field.get("serialization_exclude_if") is None
        return super().field_is_required(field, total)

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """Describe a type that has no JSON Schema, such as one of the user's with a validator, as any value."""
        return {}

    def encode_default(self, dft: Any) -> Any:
        """Return a default as JSON. pydantic builds a serializer for each, which plain values do not need."""
        return dft if dft is None or type(dft) in (str, int, bool) else super().encode_default(dft)


def make_schemas(
    types: Sequence[MessageType], fields: Sequence[ModelField]
) -> tuple[Mapping[tuple[Any, Mode], JsonSchemaValue], dict[str, dict[str, Any]]]:
    """Return the schema of each type and field by itself and its mode, and those of the models below them by name."""
    by_suffix: dict[str, list[MessageType]] = {"": []}
    for item in types:
        by_suffix.setdefault(item.writing.suffix, []).append(item)
    schemas: dict[tuple[Any, Mode], JsonSchemaValue] = {}
    definitions: dict[str, dict[str, Any]] = {}
    for suffix, items in by_suffix.items():
        writing = items[0].writing if suffix else PLAIN
        inputs: list[tuple[Any, Mode, CoreSchema]] = [(item, item.mode, item.core_schema()) for item in items]
        if not suffix:
            inputs += [(field, field.mode, field.type_adapter.core_schema) for field in dict.fromkeys(fields)]
        found, named = _Generator(writing).generate_definitions(inputs)
        for definition in named.values():
            if "description" in definition:  # a form feed ends the public part
                definition["description"] = definition["description"].split("\f")[0]
        of_writing = {f"{name}{suffix}": draft7(value) for name, value in named.items()}
        for key, value in found.items():
            schemas[key] = draft7(value)
            if writing.without_null:
                schemas[key] = without_null(schemas[key], of_writing)
        if writing.without_null:
            of_writing = {name: without_null(value, of_writing) for name, value in of_writing.items()}
        definitions |= of_writing
    return schemas, definitions


def definition_name(schema: Mapping[str, Any]) -> str | None:
    """Return the name of the model if a schema is only a reference; None for another schema."""
    reference = schema.get("$ref")
    return reference.rpartition("/")[2] if isinstance(reference, str) and len(schema) == 1 else None


_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_ONE = ("items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames")
#: Keywords of newer drafts and of OpenAPI that draft 7 does not have; a validator needs none of them.
_UNKNOWN = ("discriminator", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$dynamicAnchor")


def _is_json(value: Any) -> bool:
    """Return whether JSON has the value. JSON has no infinity, which may be a default or a bound."""
    if isinstance(value, (str, float)):
        return isinstance(value, str) or isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    return not isinstance(value, list) or all(map(_is_json, value))


def draft7(schema: Any) -> Any:
    """Return pydantic's JSON Schema of draft 2020-12 as one of draft 7."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _UNKNOWN and not isinstance(value, str):
            continue
        if key in _MAPS and isinstance(value, dict):
            made[key] = {name: draft7(item) for name, item in value.items()}
        elif key in _LISTS and isinstance(value, list):
            made[key] = [draft7(item) for item in value]
        elif key in _ONE:
            made[key] = [draft7(item) for item in value] if isinstance(value, list) else draft7(value)
        elif _is_json(value):
            made[key] = value
    if "prefixItems" in made:
        if "items" in made:
            made["additionalItems"] = made.pop("items")
        made["items"] = made.pop("prefixItems")
    if "dependentRequired" in made:
        made["dependencies"] = made.pop("dependentRequired")
    if "$ref" in made and len(made) > 1:  # draft 7 ignores keywords beside a reference
        made["allOf"] = [{"$ref": made.pop("$ref")}, *made.get("allOf", ())]
    return made
