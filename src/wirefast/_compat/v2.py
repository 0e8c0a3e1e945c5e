"""``fastapi._compat.v2``: fields over pydantic 2."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import PydanticUndefined as Undefined

from ..dependencies.fields import ModelField
from ..dependencies.shapes import sequence_of

__all__ = ["ModelField", "Undefined", "serialize_sequence_value"]


def serialize_sequence_value(*, field: ModelField, value: Sequence[Any]) -> Any:
    """``value`` as the sequence type of the field."""
    return sequence_of(field.field_info.annotation, value)
