"""The shape of an annotation, which decides where its value comes from: scalar, sequence, model, file.

Pydantic decides what is valid; these predicates decide only the *place* (query or body, one value or
several), and they agree with FastAPI's ``_compat`` on every annotation.
"""

from __future__ import annotations

import types
import typing
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Json
from pydantic.fields import FieldInfo
from starlette.datastructures import UploadFile

from wirefast._core.unions import is_union as is_union

SEQUENCE_TYPES: tuple[type[Any], ...] = (Sequence, list, tuple, set, frozenset, deque)

_PARAMETRISED = (typing._GenericAlias, types.GenericAlias, types.UnionType)  # type: ignore[attr-defined]


def is_subclass(annotation: Any, classes: type[Any] | tuple[type[Any], ...]) -> bool:
    """``issubclass`` that answers False for annotations that are no class (``list[int]``, ``int | None``).

    Args:
        annotation: any annotation.
        classes: a class, or a tuple of classes.
    """
    try:
        return isinstance(annotation, type) and issubclass(annotation, classes)
    except TypeError:
        if isinstance(annotation, _PARAMETRISED):
            return False
        raise


def _unannotated(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _class_is_sequence(annotation: Any) -> bool:
    return not is_subclass(annotation, (str, bytes)) and is_subclass(annotation, SEQUENCE_TYPES)


def is_sequence(annotation: Any) -> bool:
    """Whether values for this annotation are collected from repeated keys (``?q=a&q=b``)."""
    annotation = _unannotated(annotation)
    if is_union(annotation):
        return any(is_sequence(member) for member in get_args(annotation))
    return _class_is_sequence(annotation) or _class_is_sequence(get_origin(annotation))


def _class_is_complex(annotation: Any) -> bool:
    return (
        is_subclass(annotation, (BaseModel, Mapping, UploadFile))
        or _class_is_sequence(annotation)
        or is_dataclass(annotation)
    )


def is_scalar(annotation: Any) -> bool:
    """Whether one string can hold the value, so that it may come from the path, query, a header or a cookie."""
    if annotation is Ellipsis:
        return True
    origin = get_origin(annotation)
    if is_union(annotation):
        return all(is_scalar(member) for member in get_args(annotation))
    if origin is Annotated:
        return is_scalar(get_args(annotation)[0])
    return not (
        _class_is_complex(annotation)
        or _class_is_complex(origin)
        or hasattr(origin, "__pydantic_core_schema__")
        or hasattr(origin, "__get_pydantic_core_schema__")
    )


def is_scalar_sequence(annotation: Any) -> bool:
    annotation = _unannotated(annotation)
    if is_union(annotation):
        found = False
        for member in get_args(annotation):
            if is_scalar_sequence(member):
                found = True
            elif not is_scalar(member):
                return False
        return found
    return is_sequence(annotation) and all(is_scalar(item) for item in get_args(annotation))


def _members(annotation: Any) -> Iterator[Any]:
    yield annotation
    if is_union(annotation):
        yield from get_args(annotation)


def is_bytes(annotation: Any) -> bool:
    return any(is_subclass(member, bytes) for member in _members(annotation))


def is_upload_file(annotation: Any) -> bool:
    return any(is_subclass(member, UploadFile) for member in _members(annotation))


def _is_sequence_of(annotation: Any, predicate: typing.Callable[[Any], bool]) -> bool:
    if is_union(annotation):
        return any(_is_sequence_of(member, predicate) for member in get_args(annotation))
    return is_sequence(annotation) and all(predicate(item) for item in get_args(annotation))


def is_bytes_sequence(annotation: Any) -> bool:
    return _is_sequence_of(annotation, is_bytes)


def is_upload_file_sequence(annotation: Any) -> bool:
    return _is_sequence_of(annotation, is_upload_file)


def is_json(field_info: FieldInfo) -> bool:
    """Whether the value is a JSON document in one string (``pydantic.Json``)."""
    return any(type(item) is Json for item in field_info.metadata)


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model of ``Model`` or ``Model | None``, else None."""
    if is_union(annotation):
        members = get_args(annotation)
        if len(members) == 2 and type(None) in members:
            annotation = next(member for member in members if member is not type(None))
    return annotation if is_subclass(annotation, BaseModel) else None


def is_pydantic_v1(annotation: Any) -> bool:
    """Whether the annotation has a ``pydantic.v1`` model, which is refused."""
    if is_subclass(annotation, BaseModel) or not hasattr(annotation, "__module__"):
        return False
    if isinstance(annotation, type) and any(
        base.__module__ == "pydantic.v1.main" and base.__name__ == "BaseModel" for base in annotation.__mro__
    ):
        return True
    if is_union(annotation) or is_sequence(annotation):
        return any(is_pydantic_v1(member) for member in get_args(annotation))
    return False


def sequence_of(annotation: Any, values: Sequence[Any]) -> Any:
    """``values`` as the sequence type of the annotation (a list for abstract ones)."""
    origin = get_origin(annotation) or annotation
    if is_union(annotation):
        member = next(item for item in get_args(annotation) if item is not type(None))
        origin = get_origin(member) or member
    return list(values) if origin is Sequence else origin(values)
