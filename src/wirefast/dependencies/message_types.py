"""The types of messages: their tags, the names of their members, their validators and writers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import AliasChoices, BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from typing_extensions import get_type_hints, is_typeddict

from wirefast._core import json as core_json
from wirefast._core.message_table import Replies
from wirefast._core.unions import leaves as leaves
from wirefast._core.unions import plain as plain
from wirefast.dependencies.annotations import namespace_of


def is_model(annotation: Any) -> bool:
    """Return whether messages of this type are JSON objects with named members."""
    return isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation) or is_typeddict(annotation)
    )


def complete(model: Any, call: Callable[..., Any]) -> None:
    """Rebuild a model with unknown names in its annotations, with the names of the handler's module."""
    if isinstance(model, type) and not is_typeddict(model) and issubclass(model, BaseModel):
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False, _types_namespace=namespace_of(call))


def name_of(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or repr(annotation)


def _members(model: Any) -> Iterator[tuple[set[str], Any]]:
    """Return the names on the wire and the annotation of each member."""
    if not is_typeddict(model) and issubclass(model, BaseModel):
        by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
        for name, field in model.model_fields.items():
            names = _wire_names(field) or {name}
            yield (names | {name} if by_name else names), field.annotation
        return
    for name, annotation in get_type_hints(model, include_extras=True).items():
        yield {name}, annotation


def _wire_names(field: FieldInfo) -> set[str]:
    alias = field.validation_alias or field.alias
    if isinstance(alias, AliasChoices):
        return {choice for choice in alias.choices if isinstance(choice, str)}
    return {alias} if isinstance(alias, str) else set()


def member_names(model: Any) -> set[str]:
    """Every name under which a member of this model is read."""
    return {name for names, _ in _members(model) for name in names}


def attribute_names(model: Any) -> set[str]:
    """Return the names of the members of a message in Python."""
    if not is_typeddict(model) and issubclass(model, BaseModel):
        return {*model.model_fields, *model.model_computed_fields}
    return {name for names, _ in _members(model) for name in names}


def tags_of(model: Any, tag: str) -> list[Any]:
    """Return the values that the tag of this model may have; none if it has no such ``Literal``."""
    if is_model(model):
        for names, annotation in _members(model):
            if tag in names and get_origin(plain(annotation)) is Literal:
                return [value.value if isinstance(value, Enum) else value for value in get_args(plain(annotation))]
    return []


def tag_key(value: Any) -> bytes:
    """Return a tag in the form of the table's keys: as JSON."""
    return json.dumps(value).encode()


def by_tag(annotation: Any, tag: str) -> tuple[dict[bytes, Any], list[Any]]:
    """Sort the types of messages by their tags.

    Returns:
        A dict from each tag, as JSON, to the type that validates; and the members of the union without a tag.
    """
    found: dict[bytes, Any] = {}
    untagged = []
    for leaf in leaves(annotation):
        tags = tags_of(leaf, tag)
        if not tags:
            untagged.append(leaf)
        for key in map(tag_key, tags):
            # Models of one union may share a tag; the validator of the union tells them apart.
            found[key] = annotation if key in found else leaf
    return found, untagged


def keeps_extra(model: Any) -> bool:
    """Return whether the model refuses or keeps members that it does not declare, and does not ignore them."""
    config: Mapping[str, Any] = (
        getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", None) or {}
    )
    return config.get("extra", "ignore") != "ignore" if is_model(model) else True


def validator_of(annotation: Any) -> Callable[[Any], Any]:
    """Return a function from JSON, str or bytes, to the message; raises pydantic's ValidationError."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    adapter.rebuild(raise_errors=True)
    validate: Callable[[Any], Any] = adapter.validator.validate_json
    return validate


def property_names(annotations: list[Any]) -> frozenset[str]:
    """All names of members anywhere below these types, as far as they have a JSON schema."""
    found: set[str] = set()
    for annotation in annotations:
        try:
            waiting: list[Any] = [TypeAdapter(annotation).json_schema()]
        except Exception:  # a type without a JSON schema: its names stay hidden
            continue
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                found.update(value.get("properties") or ())
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)
    return frozenset(found)


def item_of(annotation: Any) -> Any:
    """Return the type of the replies, if a handler sends several of them one after another."""
    origin = get_origin(plain(annotation))
    if origin in (AsyncIterator, AsyncIterable, AsyncGenerator):
        return get_args(plain(annotation))[0]
    return annotation


def replies_of(annotation: Any, options: Mapping[str, Any]) -> Replies:
    """Return the writer of the values of a return annotation; None: any value.

    Args:
        annotation: the annotation of one reply.
        options: the options of pydantic's ``to_json``: by_alias, include, exclude, exclude_none and so on.
    """
    given = {"by_alias": True, **options}
    models = [] if annotation is None else [leaf for leaf in leaves(annotation) if is_model(leaf)]
    # A TypedDict has no class of its own at run time.
    writers = {model: TypeAdapter(model).serializer.to_json for model in models if not is_typeddict(model)}
    return Replies(
        writers=writers,
        other=_Other(annotation, given),
        options=given if options else None,
        own_ref=frozenset(model for model in writers if "ref" in member_names(model)),
    )


class _Other:
    """Writes a value without a writer of its own: the annotation validates it, as with an HTTP response."""

    def __init__(self, annotation: Any, options: Mapping[str, Any]) -> None:
        self.adapter: TypeAdapter[Any] | None = None if annotation in (None, Any) else TypeAdapter(annotation)
        self.options = options

    def __call__(self, value: Any) -> bytes:
        if self.adapter is not None:
            value = self.adapter.validate_python(value, from_attributes=True)
            return self.adapter.dump_json(value, **self.options)
        if isinstance(value, BaseModel):
            return value.__pydantic_serializer__.to_json(value, **self.options)
        return core_json.dumps(value)
