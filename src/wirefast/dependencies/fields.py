"""ModelField: one declared parameter, its pydantic validator and its names in a request."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic.warnings import UnsupportedFieldAttributeWarning
from pydantic_core import PydanticUndefined as Undefined

from wirefast._core.solver import missing_error as missing_error
from wirefast.dependencies import shapes
from wirefast.dependencies.markers import is_marker
from wirefast.exceptions import FastAPIError, PydanticV1NotSupportedError

Errors = list[dict[str, Any]]
Location = tuple[int | str, ...]

# The attributes of a FieldInfo that the TypeAdapter gets besides the annotation and the metadata.
_ATTRIBUTES = (
    "default default_factory alias alias_priority validation_alias serialization_alias title field_title_generator "
    "description examples exclude exclude_if discriminator deprecated json_schema_extra frozen validate_default repr "
    "init init_var kw_only"
).split()


def _attributes(field_info: FieldInfo) -> dict[str, Any]:
    found = ((name, getattr(field_info, name, Undefined)) for name in _ATTRIBUTES)
    return {name: value for name, value in found if value is not Undefined}


@dataclass(eq=False)
class ModelField:
    """A parameter with its validator. FastAPI's ``_compat.ModelField``.

    Args:
        field_info: the marker (``Query()``, ``Body()``, ...) with annotation, metadata and default in place.
        name: the parameter's Python name.
        mode: ``"validation"`` for input, ``"serialization"`` for responses.
        config: the pydantic config of the model the field belongs to, if it belongs to one.
    """

    field_info: FieldInfo
    name: str
    mode: Literal["validation", "serialization"] = "validation"
    config: ConfigDict | None = None

    def __post_init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UnsupportedFieldAttributeWarning)
            parts = (self.field_info.annotation, *self.field_info.metadata, Field(**_attributes(self.field_info)))
            self.type_adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, Annotated[parts]), config=self.config)

    @property
    def alias(self) -> str:
        return self.field_info.alias if self.field_info.alias is not None else self.name

    @property
    def validation_alias(self) -> str | None:
        alias = self.field_info.validation_alias
        return alias if isinstance(alias, str) and alias else None

    @property
    def serialization_alias(self) -> str | None:
        return self.field_info.serialization_alias or None

    @property
    def default(self) -> Any:
        return self.get_default()

    def get_default(self) -> Any:
        """Return the default, a fresh one from its factory, or ``PydanticUndefined`` for a required parameter."""
        if self.field_info.is_required():
            return Undefined
        return self.field_info.get_default(call_default_factory=True)

    def validate(self, value: Any, values: dict[str, Any] | None = None, *, loc: Location = ()) -> tuple[Any, Errors]:
        """Return the validated value and no errors, or None and pydantic's errors below ``loc``."""
        try:
            return self.type_adapter.validate_python(value, from_attributes=True), []
        except ValidationError as exc:
            return None, located_errors(exc, loc)

    def serialize(self, value: Any, *, mode: Literal["json", "python"] = "json", **options: Any) -> Any:
        return self.type_adapter.dump_python(value, mode=mode, **options)

    def serialize_json(self, value: Any, **options: Any) -> bytes:
        return self.type_adapter.dump_json(value, **options)


def located_errors(exc: ValidationError, loc: Location) -> Errors:
    return [{**error, "loc": (*loc, *error["loc"])} for error in exc.errors(include_url=False)]


def merge_annotation(field_info: FieldInfo, annotation: Any) -> FieldInfo:
    """Return a copy of the marker with the type and the metadata of its whole ``Annotated[...]``."""
    merged = type(field_info).from_annotation(annotation)
    result = copy(field_info)
    for name, value in _attributes(merged).items():
        setattr(result, name, value)
    result._attributes_set = merged._attributes_set.copy()
    result.metadata = merged.metadata
    result.annotation = merged.annotation
    return result


def create_model_field(
    name: str,
    type_: Any,
    default: Any | None = Undefined,
    field_info: FieldInfo | None = None,
    alias: str | None = None,
    mode: Literal["validation", "serialization"] = "validation",
) -> ModelField:
    """Build a ModelField. FastAPI's ``create_model_field``.

    Args:
        name: the name of the parameter.
        type_: the type that pydantic validates.
        default: if there is no ``field_info``.
        field_info: the declaration, a `params.Param` or `params.Body`.
        alias: the name on the wire, if there is no ``field_info``.
        mode: whether the type reads input or writes output.

    Raises:
        FastAPIError: pydantic has no schema for the type.
        PydanticV1NotSupportedError: the type is or holds a ``pydantic.v1`` model.
    """
    if shapes.is_pydantic_v1(type_):
        raise PydanticV1NotSupportedError(
            f"pydantic.v1 models are no longer supported by FastAPI. Please update the response model {type_!r}."
        )
    try:
        return ModelField(
            field_info=field_info or FieldInfo(annotation=type_, default=default, alias=alias), name=name, mode=mode
        )
    except PydanticSchemaGenerationError:
        # FastAPI's text, word for word: programs match it.
        raise FastAPIError(
            "Invalid args for response field! Hint: "
            f"check that {type_} is a valid Pydantic field type. "
            "If you are using a return type annotation that is not a valid Pydantic "
            "field (e.g. Union[Response, dict, None]) you can disable generating the "
            "response model from the type annotation with the path operation decorator "
            "parameter response_model=None. Read more: "
            "https://fastapi.tiangolo.com/tutorial/response-model/"
        ) from None


@lru_cache(maxsize=1024)
def model_fields(model: type[BaseModel]) -> tuple[ModelField, ...]:
    """Return the fields of a model that groups parameters (``Annotated[Filters, Query()]``)."""
    return tuple(_model_fields(model))


def _model_fields(model: type[BaseModel]) -> Iterator[ModelField]:
    for name, field_info in model.model_fields.items():
        owns_config = shapes.is_subclass(field_info.annotation, (BaseModel, dict)) or is_dataclass(
            field_info.annotation
        )
        yield ModelField(field_info=field_info, name=name, config=None if owns_config else model.model_config)


def parameter_model(field: ModelField) -> type[BaseModel] | None:
    """Return the model when a whole group (query, headers, cookies) is read into one model, else None."""
    annotation: Any = field.field_info.annotation
    if is_marker(field.field_info, "Query", "Header", "Cookie"):
        annotation = shapes.model_of(annotation)
    if shapes.is_subclass(annotation, BaseModel) and not shapes.is_json(field.field_info):
        return cast("type[BaseModel]", annotation)
    return None


def read_names(field: ModelField, *, convert_underscores: bool = False) -> list[tuple[str, str]]:
    """Return the names of a value, best first: pairs of (name in the error, name in the request)."""
    alias = field.validation_alias or field.alias
    request_alias = alias.replace("_", "-") if convert_underscores and alias == field.name else alias
    names = [(alias, request_alias)]
    validation_alias = field.field_info.validation_alias
    if is_marker(field.field_info, "Path") or isinstance(validation_alias, AliasPath):
        return names
    if isinstance(validation_alias, AliasChoices):
        if any(isinstance(choice, AliasPath) for choice in validation_alias.choices):
            return names
        names = [(choice, choice) for choice in cast("list[str]", validation_alias.choices)]
    config = field.config or {}
    by_alias = config.get("validate_by_alias") is not False
    if by_alias and not config.get("validate_by_name", config.get("populate_by_name", False)):
        return names
    by_name = (field.name, field.name.replace("_", "-") if convert_underscores else field.name)
    if not by_alias:
        return [by_name]
    if field.name not in (name for name, _ in names):
        names.append(by_name)
    return names
