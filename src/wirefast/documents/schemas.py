"""The JSON Schemas of all fields in one document. pydantic makes them; this module decides which.

pydantic gets all fields in one call, because only then it can name the models: the names of two models of one name
    contain their modules, and a model that differs as input and as output becomes ``Item-Input`` and ``Item-Output``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, get_args

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

from wirefast.dependencies.fields import ModelField
from wirefast.dependencies.shapes import is_subclass
from wirefast.openapi.constants import REF_TEMPLATE

__all__ = ["FieldSchemas", "Mode", "Schemas", "models_within"]

Mode = Literal["validation", "serialization"]
FieldSchemas = Mapping[tuple[ModelField, Mode], JsonSchemaValue]


class _Generator(GenerateJsonSchema):
    """pydantic's generator, which describes bytes by their media type: OpenAPI 3.1 has no ``format: binary``."""

    def bytes_schema(self, schema: CoreSchema) -> JsonSchemaValue:
        found: JsonSchemaValue = {"type": "string", "contentMediaType": "application/octet-stream"}
        written = self.mode == "serialization"
        if (self._config.ser_json_bytes if written else self._config.val_json_bytes) == "base64":
            found["contentEncoding"] = "base64"
        self.update_with_validations(found, schema, self.ValidationsMapping.bytes)
        return found

    def encode_default(self, dft: Any) -> Any:
        """Return a default as JSON. pydantic builds a serializer for each, which plain values do not need."""
        return dft if dft is None or type(dft) in (str, int, bool) else super().encode_default(dft)


class Schemas:
    """The schema of each field, for the places that describe the field.

    Args:
        of_fields: from field and mode to JSON Schema.
        separate: whether a model may have one schema for input and another for output.
    """

    def __init__(self, of_fields: FieldSchemas, separate: bool = True) -> None:
        self._of_fields = of_fields
        self._separate = separate

    def of(self, field: ModelField, alias: str | None = None) -> dict[str, Any]:
        """Return a copy of the field's schema, with a title unless it is a reference.

        Args:
            field: a field of the document.
            alias: the title is made of it. Default: the field's alias in its mode.
        """
        schema = self._of_fields[field, _mode(field, self._separate)].copy()
        if "$ref" not in schema:
            if alias is None:
                own = field.validation_alias if field.mode == "validation" else field.serialization_alias
                alias = own or field.alias
            schema["title"] = field.field_info.title or alias.title().replace("_", " ")
        return schema


def make_schemas(fields: Sequence[ModelField], separate: bool = True) -> tuple[FieldSchemas, dict[str, dict[str, Any]]]:
    """Return the schema of each field, and those of the models that they refer to, by name.

    Args:
        fields: all fields of the document.
        separate: see `Schemas`.
    """
    inputs: list[tuple[Any, Mode, CoreSchema]] = [
        (field, _mode(field, separate), field.type_adapter.core_schema) for field in dict.fromkeys(fields)
    ]
    given = {id(field.field_info.annotation) for field in fields}
    modes: tuple[Mode, Mode] = ("validation", "serialization")
    for mode in modes:
        # A model below another one has a schema of its own even if the outer schema does not refer to it.
        for model in models_within(field.field_info.annotation for field in fields if field.mode == mode):
            if id(model) not in given:
                effective: Mode = mode if separate or _computes(model, set()) else "validation"
                inputs.append(((model, mode), effective, TypeAdapter(model).core_schema))
    of_fields, definitions = _Generator(ref_template=REF_TEMPLATE).generate_definitions(inputs)
    named: dict[str, dict[str, Any]] = {str(name): definition for name, definition in definitions.items()}
    for definition in named.values():
        if "description" in definition:  # a form feed ends the public part
            definition["description"] = definition["description"].split("\f")[0]
    return of_fields, named


def models_within(annotations: Iterable[Any]) -> list[type[BaseModel] | type[Enum]]:
    """Return the models and enumerations that annotations name, and those in the fields of these models, each once."""
    found: dict[type[Any], None] = {}
    waiting = list(annotations)
    while waiting:
        annotation = waiting.pop()
        if is_subclass(annotation, BaseModel):
            if annotation not in found:
                found[annotation] = None
                waiting.extend(info.annotation for info in annotation.model_fields.values())
        elif is_subclass(annotation, Enum):
            found[annotation] = None
        else:
            waiting.extend(get_args(annotation))
    return list(found)


def _mode(field: ModelField, separate: bool) -> Mode:
    """Return the mode of a field's schema.

    A schema for both directions is that of input, which has no computed fields, so a field with computed fields keeps
    its own mode.
    """
    return field.mode if separate or _has_computed_fields(field) else "validation"


def _has_computed_fields(field: ModelField) -> bool:
    core: Any = field.type_adapter.core_schema
    if core.get("schema", {}).get("computed_fields"):  # a dataclass may have them too
        return True
    return _computes(field.field_info.annotation, set())


def _computes(annotation: Any, seen: set[Any]) -> bool:
    if not is_subclass(annotation, BaseModel):
        return any(_computes(item, seen) for item in get_args(annotation))
    if annotation in seen:
        return False
    seen.add(annotation)
    if annotation.model_computed_fields:
        return True
    return any(_computes(info.annotation, seen) for info in annotation.model_fields.values())
