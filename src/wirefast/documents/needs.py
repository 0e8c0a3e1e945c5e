"""The needs of one operation beside its body: its parameters, those of its dependencies, and its security."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wirefast.dependencies.fields import ModelField, parameter_model, read_names
from wirefast.dependencies.flat import Flat, members
from wirefast.documents.schemas import Schemas
from wirefast.encoders import jsonable_encoder

__all__ = ["Needs", "add_examples"]


class Needs(Flat):
    """The parameters of one operation by place, and its security schemes with the required scopes of each."""

    def sent(self) -> Iterator[tuple[str, str, ModelField, bool]]:
        """Yield each parameter of a client: the place, the name, the field, whether it is required."""
        for place, group in self.parameters.items():
            for parent in group:
                for member in members(parent):
                    required = member.field_info.is_required() and not _is_optional(parent)
                    yield place, _names(place, parent, member)[1], member, required

    def describe_parameters(self, schemas: Schemas) -> list[dict[str, Any]]:
        """OpenAPI's Parameter objects; of two with one name in one place, a required one wins."""
        described = self.describe_each_parameter(schemas)
        by_name = {(item["in"], item["name"]): item for item in described}
        by_name.update({(item["in"], item["name"]): item for item in described if item["required"]})
        return list(by_name.values())

    def describe_each_parameter(self, schemas: Schemas) -> list[dict[str, Any]]:
        """Return a Parameter object for each declaration."""
        return [
            _describe(place, parent, member, schemas)
            for place, group in self.parameters.items()
            for parent in group
            if getattr(parent.field_info, "include_in_schema", True)
            for member in members(parent)
        ]

    def describe_security(self) -> tuple[dict[str, Any], list[dict[str, list[str]]]]:
        """Return the Security Scheme objects by name, and the operation's Security Requirement objects."""
        schemes: dict[str, Any] = {}
        required: dict[str, list[str]] = {}
        for scheme, scopes in self.security:
            name = scheme.scheme_name
            schemes[name] = jsonable_encoder(scheme.model, by_alias=True, exclude_none=True)
            required[name] = list(dict.fromkeys([*required.get(name, ()), *scopes]))
        return schemes, [{name: scopes} for name, scopes in required.items()]


def _names(place: str, parent: ModelField, member: ModelField) -> tuple[str, str]:
    """Return the best names of a parameter: in errors, and in requests."""
    outer = getattr(parent.field_info, "convert_underscores", True)
    underscores = place == "header" and getattr(member.field_info, "convert_underscores", outer)
    return read_names(member, convert_underscores=underscores)[0]


def _is_optional(parent: ModelField) -> bool:
    """Return whether a group is ``Group | None = None``, so that none of its members is required."""
    model = parameter_model(parent)
    return model is not None and parent.field_info.annotation is not model and not parent.field_info.is_required()


def _describe(place: str, parent: ModelField, member: ModelField, schemas: Schemas) -> dict[str, Any]:
    info = member.field_info
    alias, name = _names(place, parent, member)
    described: dict[str, Any] = {
        "name": name,
        "in": place,
        "required": info.is_required() and not _is_optional(parent),
        "schema": schemas.of(member, alias),
    }
    if info.description:
        described["description"] = info.description
    add_examples(described, info)
    if getattr(info, "deprecated", None):
        described["deprecated"] = True
    return described


def add_examples(described: dict[str, Any], info: Any) -> None:
    """Add the examples of a declaration to the object that describes it.

    Args:
        described: a Parameter or Media Type object.
        info: the declaration; a plain ``FieldInfo`` has its examples in its schema.
    """
    examples, example = getattr(info, "openapi_examples", None), getattr(info, "example", None)
    if examples:
        described["examples"] = jsonable_encoder(examples)
    elif example is not None and type(example).__name__ != "DefaultPlaceholder":  # FastAPI's markers have their own
        described["example"] = jsonable_encoder(example)
