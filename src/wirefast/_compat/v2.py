"""``fastapi._compat.v2``: fields over pydantic 2, and their JSON Schemas."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined as Undefined

from wirefast.dependencies.fields import ModelField, missing_error, model_fields
from wirefast.dependencies.form_schemas import body_model
from wirefast.dependencies.shapes import is_scalar, sequence_of
from wirefast.documents.schemas import FieldSchemas, Schemas, make_schemas, models_within
from wirefast.params import Body

__all__ = [
    "ModelField",
    "Undefined",
    "create_body_model",
    "get_cached_model_fields",
    "get_definitions",
    "get_flat_models_from_fields",
    "get_missing_field_error",
    "get_model_fields",
    "get_model_name_map",
    "get_schema_from_model_field",
    "is_scalar_field",
    "serialize_sequence_value",
]


def is_scalar_field(field: ModelField) -> bool:
    """Return whether a field is one value, and no part of a body."""
    return is_scalar(field.field_info.annotation) and not isinstance(field.field_info, Body)


def get_missing_field_error(loc: tuple[int | str, ...]) -> dict[str, Any]:
    """Return the error of a value that was not sent."""
    return missing_error(loc)


def create_body_model(*, fields: Sequence[ModelField], model_name: str, config: Any = None) -> type[BaseModel]:
    """Return a model with these fields, which stands for a whole body."""
    return body_model(
        model_name, {field.name: (field.field_info.annotation, field.field_info) for field in fields}, config
    )


def get_model_fields(model: type[BaseModel]) -> list[ModelField]:
    """Return the fields of a model; ``get_cached_model_fields`` is the same here."""
    return list(model_fields(model))


get_cached_model_fields = get_model_fields


def serialize_sequence_value(*, field: ModelField, value: Sequence[Any]) -> Any:
    """``value`` as the sequence type of the field."""
    return sequence_of(field.field_info.annotation, value)


def get_flat_models_from_fields(fields: Sequence[ModelField], known_models: set[Any]) -> set[Any]:
    """``known_models`` with the models and enumerations in the ``fields``, and those in their fields."""
    known_models.update(models_within(field.field_info.annotation for field in fields))
    return known_models


def get_model_name_map(unique_models: Iterable[Any]) -> dict[Any, str]:
    """Return the name of each model as a schema may have it; of two with one name, one of them."""
    by_name = {re.sub(r"[^a-zA-Z0-9.\-_]", "_", model.__name__): model for model in unique_models}
    return {model: name for name, model in by_name.items()}


def get_definitions(
    *, fields: Sequence[ModelField], model_name_map: Any, separate_input_output_schemas: bool = True
) -> tuple[FieldSchemas, dict[str, dict[str, Any]]]:
    """Return each field's schema by field and mode, and the models' by name; ``model_name_map`` is not used."""
    return make_schemas(fields, separate_input_output_schemas)


def get_schema_from_model_field(
    *,
    field: ModelField,
    model_name_map: Any,
    field_mapping: FieldSchemas,
    separate_input_output_schemas: bool = True,
    field_alias: str | None = None,
) -> dict[str, Any]:
    """Return a field's schema with its title, from what ``get_definitions`` made; ``model_name_map`` is not used."""
    return Schemas(field_mapping, separate_input_output_schemas).of(field, field_alias)
