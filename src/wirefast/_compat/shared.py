"""``fastapi._compat.shared``: questions about annotations."""

from typing import Any

from wirefast.dependencies.shapes import SEQUENCE_TYPES as sequence_types
from wirefast.dependencies.shapes import is_bytes as is_bytes_or_nonable_bytes_annotation
from wirefast.dependencies.shapes import is_bytes_sequence as is_bytes_sequence_annotation
from wirefast.dependencies.shapes import is_pydantic_v1 as annotation_is_pydantic_v1
from wirefast.dependencies.shapes import is_scalar as field_annotation_is_scalar
from wirefast.dependencies.shapes import is_scalar_sequence as field_annotation_is_scalar_sequence
from wirefast.dependencies.shapes import is_sequence as field_annotation_is_sequence
from wirefast.dependencies.shapes import is_subclass as lenient_issubclass
from wirefast.dependencies.shapes import is_upload_file as is_uploadfile_or_nonable_uploadfile_annotation
from wirefast.dependencies.shapes import is_upload_file_sequence as is_uploadfile_sequence_annotation

__all__ = [
    "annotation_is_pydantic_v1",
    "field_annotation_is_scalar",
    "field_annotation_is_scalar_sequence",
    "field_annotation_is_sequence",
    "is_bytes_or_nonable_bytes_annotation",
    "is_bytes_sequence_annotation",
    "is_uploadfile_or_nonable_uploadfile_annotation",
    "is_uploadfile_sequence_annotation",
    "lenient_issubclass",
    "sequence_types",
    "value_is_sequence",
]


def value_is_sequence(value: Any) -> bool:
    """Return whether a value is a sequence, and neither text nor bytes."""
    return isinstance(value, sequence_types) and not isinstance(value, (str, bytes))
