"""``fastapi._compat.shared``: questions about annotations."""

from wirefast.dependencies.shapes import is_bytes_sequence as is_bytes_sequence_annotation
from wirefast.dependencies.shapes import is_scalar as field_annotation_is_scalar
from wirefast.dependencies.shapes import is_sequence as field_annotation_is_sequence
from wirefast.dependencies.shapes import is_subclass as lenient_issubclass
from wirefast.dependencies.shapes import is_upload_file_sequence as is_uploadfile_sequence_annotation

__all__ = [
    "field_annotation_is_scalar",
    "field_annotation_is_sequence",
    "is_bytes_sequence_annotation",
    "is_uploadfile_sequence_annotation",
    "lenient_issubclass",
]
