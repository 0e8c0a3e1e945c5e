"""Request bodies: from parsed JSON, a form or bytes to the values of the body fields.

FastAPI's ``request_body_to_args``.

The fields of one callable share one body:

    whole       one field, not embedded: the body is its value
    embedded    an object or a form with a key for each field
    form model  a pydantic model, or a union of them, spread over the keys of a form
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from copy import copy
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined as Undefined
from starlette.datastructures import FormData, UploadFile

from wirefast import params
from wirefast.dependencies import shapes
from wirefast.dependencies.fields import (
    Errors,
    ModelField,
    create_model_field,
    missing_error,
    model_fields,
    read_names,
)
from wirefast.dependencies.form_schemas import body_model, flat_form_model, is_optional_form_model
from wirefast.dependencies.forms import form_models, should_embed
from wirefast.dependencies.groups import multidict_extras, multidict_value, validate_or_default
from wirefast.dependencies.markers import is_marker


class BodyFields:
    """Reads the body fields of one callable.

    Args:
        fields: at least one.
        embed: whether the body of the whole operation is an object or form with a key for each of its fields.
    """

    def __init__(self, fields: list[ModelField], embed: bool) -> None:
        self._whole = len(fields) == 1 and not embed and not should_embed(fields) and not form_models(fields[0])
        self._fields = [(field, [alias for alias, _ in read_names(field)], form_models(field)) for field in fields]
        self._plain_form_fields = [field for field, _, models in self._fields if not models]

    async def __call__(self, body: Any) -> tuple[dict[str, Any], Errors]:
        """Return the values by field name, and the errors of the client. Without errors all values are present.

        Args:
            body: parsed JSON, ``FormData``, bytes of another type, or ``PydanticUndefined`` for none.
        """
        if isinstance(body, FormData):
            return await self._from_form(body)
        if self._whole:
            field = self._fields[0][0]
            value, errors = validate_or_default(field, body, ("body",))
            return {field.name: value}, errors
        values: dict[str, Any] = {}
        errors = []
        for field, aliases, _ in self._fields:
            alias, value = aliases[0], Undefined
            if body is not Undefined and not isinstance(body, bytes):
                try:
                    alias, value = _first_value(body, aliases)
                except AttributeError:  # JSON of another type than object
                    errors.append(missing_error(("body", alias)))
                    continue
            self._validate(field, value, ("body", alias), values, errors)
        return values, errors

    async def _from_form(self, form: FormData) -> tuple[dict[str, Any], Errors]:
        values: dict[str, Any] = {}
        errors: Errors = []
        found: dict[str, tuple[str, Any]] = {}
        received: dict[str, Any] = {}
        if self._plain_form_fields:
            async for alias, value, source in _form_values(self._plain_form_fields, form):
                received[alias] = value
                if source is not None:
                    found[source.name] = alias, value
        if self._whole:
            field = self._fields[0][0]
            value, errors = validate_or_default(field, received, ("body",))
            return {field.name: value}, errors
        for field, aliases, models in self._fields:
            if models:
                self._validate(field, await _model_input(field, models, form), ("body",), values, errors)
            else:
                alias, value = found.get(field.name, (aliases[0], Undefined))
                self._validate(field, value, ("body", alias), values, errors)
        return values, errors

    @staticmethod
    def _validate(field: ModelField, value: Any, loc: tuple[str, ...], values: dict[str, Any], errors: Errors) -> None:
        value, invalid = validate_or_default(field, value, loc)
        if invalid:
            errors.extend(invalid)
        else:
            values[field.name] = value


def _first_value(body: Any, aliases: list[str]) -> tuple[str, Any]:
    for alias in aliases:
        value = body.get(alias, Undefined)
        if value is not Undefined:
            return alias, value
    return aliases[0], Undefined


def _form_items(fields: list[ModelField], form: FormData) -> Iterator[tuple[str, Any, ModelField | None]]:
    """Each key with its value and field; keys that no field claimed come last, without a field."""
    claimed: set[str] = set()
    for field in fields:
        for alias, _ in read_names(field):
            claimed.add(alias)
            value = multidict_value(field, form, alias)
            if value is not Undefined:
                yield alias, value, field
                break
    for alias, value in multidict_extras(form, claimed):
        yield alias, value, None


async def _form_values(fields: list[ModelField], form: FormData) -> AsyncIterator[tuple[str, Any, ModelField | None]]:
    """As `_form_items`, with uploads read if a ``File`` field wants bytes."""
    for alias, value, field in _form_items(fields, form):
        if field is not None and is_marker(field.field_info, "File"):
            annotation = field.field_info.annotation
            if shapes.is_bytes(annotation) and isinstance(value, UploadFile):
                value = await read_upload(value)
            elif shapes.is_bytes_sequence(annotation) and _is_sequence(value):
                contents = [await read_upload(item) if isinstance(item, UploadFile) else item for item in value]
                value = shapes.sequence_of(annotation, contents)
        yield alias, value, field


def _is_sequence(value: Any) -> bool:
    return isinstance(value, shapes.SEQUENCE_TYPES) and not isinstance(value, (str, bytes))


async def read_upload(file: UploadFile) -> bytes:
    """Return the bytes of an upload; its position stays the same for later reads."""
    position = file.file.tell()
    try:
        return await file.read()
    finally:
        await file.seek(position)


async def _model_input(field: ModelField, models: list[type[BaseModel]], form: FormData) -> Any:
    """Return the input of a form model; Undefined if an optional model was not sent at all."""
    optional = type(None) in get_args(field.field_info.annotation)
    if optional and not any(_is_supplied(model, form) for model in models):
        return Undefined
    # The members of a union read their keys from the whole form (see forms.prepare_unions).
    fields = list(model_fields(models[0])) if len(models) == 1 else []
    return {alias: value async for alias, value, _ in _form_values(fields, form)}


def _is_supplied(model: type[BaseModel], form: FormData) -> bool:
    names = {alias for field in model_fields(model) for alias, _ in read_names(field)}
    takes_extras = model.model_config.get("extra") in ("allow", "forbid")
    return bool(names.intersection(form) or (takes_extras and form))


def is_form_body(fields: list[ModelField], embed: bool) -> bool:
    """Whether the body is a form: one of its fields is a form field."""
    return any(is_marker(field.field_info, "Form") for field in (fields if embed else fields[:1]))


def body_field(fields: list[ModelField], name: str, embed: bool) -> ModelField | None:
    """Return the whole body as one field, which describes the body in OpenAPI. None without a body.

    Args:
        fields: the body fields of the operation.
        name: the name of the operation; the model of an embedded body is named ``Body_{name}``.
        embed: whether there is a key for each field.
    """
    if not fields:
        return None
    if not embed and not any(map(is_optional_form_model, fields)):
        return fields[0]
    model: Any
    if any(map(form_models, fields)):
        model = flat_form_model(fields, f"Body_{name}")
    else:
        model = body_model(f"Body_{name}", {f.name: (f.field_info.annotation, f.field_info) for f in fields})
    if not embed:
        own: Any = copy(fields[0].field_info)
        own.annotation, own.metadata, own.discriminator = model, [], None
        return ModelField(name=fields[0].name, field_info=own)
    options: dict[str, Any] = {"annotation": model, "alias": "body"}
    if not any(field.field_info.is_required() for field in fields):
        options["default"] = None
    kind = next((kind for kind in ("File", "Form") if any(is_marker(f.field_info, kind) for f in fields)), "Body")
    if kind != "File":
        types = [field.field_info.media_type for field in fields if is_marker(field.field_info, kind)]  # type: ignore[attr-defined]
        if kind == "Form" and "multipart/form-data" in types:
            options["media_type"] = "multipart/form-data"
        elif len(set(types)) == 1:
            options["media_type"] = types[0]
    info = getattr(params, kind)(**options)
    return create_model_field(name="body", type_=model, alias="body", field_info=info)
