"""A whole group (query, headers or cookies) read into one pydantic model.

The compiled core reads single parameters. Groups are read here from Starlette's multi-dicts, because the keys that a
model reads depend on its configuration and aliases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined as Undefined
from starlette.datastructures import FormData, Headers, ImmutableMultiDict, UploadFile
from starlette.requests import HTTPConnection

from wirefast.dependencies import shapes
from wirefast.dependencies.fields import (
    Errors,
    Location,
    ModelField,
    missing_error,
    model_fields,
    parameter_model,
    read_names,
)
from wirefast.dependencies.places import PLACES


def read_group(field: ModelField, connection: HTTPConnection) -> tuple[Any, Errors]:
    """Return the validated model of a group on this connection, or None and the errors, located as FastAPI does."""
    return read_received_group(field, PLACES[field.field_info.in_.value].values(connection))  # type: ignore[attr-defined]


def read_received_group(field: ModelField, received: Mapping[str, Any]) -> tuple[Any, Errors]:
    """Return the same from a multi-dict."""
    model = parameter_model(field)
    if model is None:
        raise AssertionError
    place: str = field.field_info.in_.value  # type: ignore[attr-defined]
    reader = _GroupReader(field, model, received)
    value, errors = validate_or_default(field, reader.value(), (place,))
    if reader.header_spelling and model.model_config.get("loc_by_alias", True):
        for error in errors:
            loc = error["loc"]
            if len(loc) > 1 and loc[1] in reader.header_spelling:
                error["loc"] = (loc[0], reader.header_spelling[loc[1]], *loc[2:])
    return value, errors


class _GroupReader:
    """Collects the values of one model from one multi-dict."""

    def __init__(self, field: ModelField, model: type[BaseModel], received: Mapping[str, Any]) -> None:
        self.field = field
        self.model = model
        self.received = received
        # Field name -> the hyphenated header that it is read from, which errors name.
        self.header_spelling: dict[str, str] = {}

    def value(self) -> Any:
        """Return the dict for the model, or Undefined if an optional model was not sent at all."""
        headers = isinstance(self.received, Headers)
        convert_by_default = getattr(self.field.field_info, "convert_underscores", True)
        found: dict[str, Any] = {}
        processed: set[str] = set()
        own_names: set[str] = set()
        for field in model_fields(self.model):
            convert = headers and getattr(field.field_info, "convert_underscores", convert_by_default)
            names = read_names(field, convert_underscores=convert)
            own_names.update(name.lower() if headers else name for _, name in names)
            alias, request_name = next((pair for pair in names if pair[1] in self.received), names[0])
            value = multidict_value(field, self.received, request_name)
            if value is not Undefined:
                found[alias] = value
            if headers:
                processed.add(request_name.lower())
                processed.update(alias.lower() for alias, name in names if alias != name)
                if alias != request_name:
                    self.header_spelling[field.name] = request_name
            else:
                processed.add(request_name)
        found.update(multidict_extras(self.received, processed))
        optional = self.field.field_info.annotation is not self.model
        if optional and not own_names.intersection(self.received):
            if not (found and self.model.model_config.get("extra") in ("allow", "forbid")):
                return Undefined
        return found


def read_field(field: ModelField, connection: HTTPConnection) -> tuple[Any, Errors]:
    """Return the value of one parameter from a connection object, or an object with the same attributes."""
    return read_received(field, PLACES[field.field_info.in_.value].values(connection))  # type: ignore[attr-defined]


def read_received(field: ModelField, received: Mapping[str, Any]) -> tuple[Any, Errors]:
    """Return the value of one parameter, a whole group included, from a multi-dict."""
    if parameter_model(field) is not None:
        return read_received_group(field, received)
    names = [name for _, name in read_names(field)]
    name = next((name for name in names if name in received), names[0])
    loc = (field.field_info.in_.value, name)  # type: ignore[attr-defined]
    return validate_or_default(field, multidict_value(field, received, name), loc)


def validate_or_default(field: ModelField, value: Any, loc: Location) -> tuple[Any, Errors]:
    """Return the validated value, or for an absent one the default or the ``missing`` error."""
    if value is Undefined:
        if field.field_info.is_required():
            return None, [missing_error(loc)]
        value = deepcopy(field.default)
        if not field.field_info.validate_default:
            return value, []
    return field.validate(value, loc=loc)


def _is_empty_file(value: Any) -> bool:
    return isinstance(value, UploadFile) and value.filename == "" and value.size == 0


def multidict_value(field: ModelField, values: Mapping[str, Any], name: str) -> Any:
    """Return the value under one name, a list for a sequence field, Undefined if it was not sent."""
    sequence = shapes.is_sequence(field.field_info.annotation)
    form = isinstance(values, FormData)
    value: Any
    if sequence and not shapes.is_json(field.field_info) and isinstance(values, (ImmutableMultiDict, Headers)):
        value = values.getlist(name)
        if form:
            value = [item for item in value if not _is_empty_file(item)]
    else:
        value = values.get(name)
    if value is None or (form and (value == "" or _is_empty_file(value))) or (sequence and len(value) == 0):
        return Undefined
    return value


def multidict_extras(received: Mapping[str, Any], processed: set[str]) -> Iterator[tuple[str, Any]]:
    """Return the keys of no field, for ``extra="forbid"`` and ``"allow"``; a list for a repeated key."""
    if isinstance(received, ImmutableMultiDict):
        items = received.multi_items()
    elif isinstance(received, Headers):
        items = received.items()
    else:
        yield from ((key, value) for key, value in received.items() if key not in processed)
        return
    grouped: dict[str, list[Any]] = {}
    for key, value in items:
        if key not in processed:
            grouped.setdefault(key, []).append(value)
    for key, values in grouped.items():
        yield key, values[0] if len(values) == 1 else values
