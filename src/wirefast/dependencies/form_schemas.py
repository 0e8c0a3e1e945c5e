"""The schema of a form that holds models.

The keys of a form are on one level: those of every model beside those of the plain fields. So the body's schema has the
    plain fields as its properties, and each model as one more condition on the same object (``allOf``).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from functools import partial
from typing import Annotated, Any, Optional, get_args

from pydantic import AliasChoices, BaseModel, GetJsonSchemaHandler, GetPydanticSchema, create_model

from wirefast.dependencies.fields import ModelField, model_fields, read_names
from wirefast.dependencies.forms import form_models

__all__ = ["body_model", "flat_form_model", "is_optional_form_model"]

#: The module of the models of bodies: FastAPI's. Where a document has two models of one name, as of one
#: ``operation_id``, the names of their schemas contain the modules, and generated clients have these names.
_MODULE = "fastapi._compat.v2"


def body_model(name: str, members: dict[str, Any], config: Any = None) -> type[BaseModel]:
    """Return the model of a whole body.

    Args:
        name: the name of the model.
        members: annotation and ``FieldInfo`` of each field.
        config: pydantic's.
    """
    made: type[BaseModel] = create_model(name, __config__=config, __module__=_MODULE, **members)
    return made


def is_optional_form_model(field: ModelField) -> bool:
    """Whether a form field is a model, or a union of models, or None."""
    return bool(form_models(field)) and type(None) in get_args(field.field_info.annotation)


def flat_form_model(fields: Sequence[ModelField], name: str) -> type[BaseModel]:
    """Return the model of a whole form, only for its schema; it validates nothing.

    Args:
        fields: the fields of the form; at least one holds a model.
        name: the name of the model.
    """
    members: dict[str, Any] = {}
    for index, field in enumerate(fields):
        info: Any = copy(field.field_info)
        models = form_models(field)
        if len(models) == 1:
            model = models[0]
            under_names = GetPydanticSchema(get_pydantic_json_schema=partial(_under_request_names, model))
            described: Any = Annotated[model, under_names]
            info.annotation = described if info.annotation is model else Optional[described]  # noqa: UP045
        # Fields of several dependencies may have one name, so each has a number as its name here.
        key = f"field_{index}"
        info.alias = info.validation_alias = info.serialization_alias = key
        info.title = info.title or field.name.replace("_", " ").title()
        members[key] = info.annotation, info
    config = {"json_schema_extra": partial(_lay_flat, fields)}
    return body_model(name, members, config)


def _under_request_names(model: type[BaseModel], core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """Return the schema of a model with the names of properties that a form has (see ``read_names``)."""
    schema = handler(core_schema)
    whole = handler.resolve_ref_schema(schema)
    required = whole.get("required", [])
    renamed: dict[str, list[str]] = {}
    for field in model_fields(model):
        alias = field.field_info.validation_alias
        known = alias.choices[0] if isinstance(alias, AliasChoices) else field.validation_alias or field.alias
        names = [name for name, _ in read_names(field)]
        several = len(names) > 1 and known in required
        if isinstance(known, str) and known in whole.get("properties", {}) and (names[0] != known or several):
            renamed[known] = names
    if not renamed:
        return schema
    whole = deepcopy(whole)  # elsewhere the schema has the model's own names
    whole["properties"] = {renamed.get(name, [name])[0]: value for name, value in whole["properties"].items()}
    whole["required"] = []
    for names in (renamed.get(name, [name]) for name in required):
        if len(names) == 1:
            whole["required"] += names
        else:
            whole.setdefault("allOf", []).append({"anyOf": [{"required": [name]} for name in names]})
    return whole


def _lay_flat(fields: Sequence[ModelField], schema: dict[str, Any]) -> None:
    """Turn the schema of `flat_form_model`, with a property for each field, into that of the form."""
    described = schema.pop("properties")
    schema.pop("required", None)
    properties: dict[str, Any] = {}
    required: dict[str, None] = {}
    conditions: list[dict[str, Any]] = []
    for index, field in enumerate(fields):
        own = described[f"field_{index}"]
        models = form_models(field)
        if models:
            conditions += _conditions(field, models, own)
            continue
        name = read_names(field)[0][0]
        if field.field_info.is_required():
            required[name] = None
        if name in properties:
            conditions.append({"properties": {name: own}})
        else:
            properties[name] = own
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = list(required)
    schema["allOf"] = conditions


def _conditions(field: ModelField, models: Sequence[type[BaseModel]], own: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the condition on a form for one field of models, whose schema is ``own``."""
    own.pop("default", None)
    if not is_optional_form_model(field):
        return [own]
    # A form says None by leaving out every key of the models.
    own["anyOf"] = [choice for choice in own["anyOf"] if choice.get("type") != "null"]
    absent = _none_of(models)
    if field.field_info.is_required():
        return [{"not": absent}, own]
    return [{"anyOf": [absent, own]}]


def _none_of(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return the schema of a form without any key of the models."""
    if any(model.model_config.get("extra") in ("allow", "forbid") for model in models):
        return {"maxProperties": 0}
    names = {name for model in models for field in model_fields(model) for name, _ in read_names(field)}
    return {"not": {"anyOf": [{"required": [name]} for name in sorted(names)]}} if names else {}
