"""FastAPI's private ``fastapi._compat`` under its name: what libraries, and FastAPI's own tests, import from there."""

from pydantic.version import VERSION as PYDANTIC_VERSION
from pydantic_core import PydanticUndefined as Undefined
from pydantic_core import PydanticUndefinedType as UndefinedType

from wirefast._compat.shared import field_annotation_is_scalar as field_annotation_is_scalar
from wirefast._compat.shared import field_annotation_is_sequence as field_annotation_is_sequence
from wirefast._compat.shared import is_bytes_sequence_annotation as is_bytes_sequence_annotation
from wirefast._compat.shared import is_uploadfile_sequence_annotation as is_uploadfile_sequence_annotation
from wirefast._compat.shared import lenient_issubclass as lenient_issubclass
from wirefast._compat.v2 import get_definitions as get_definitions
from wirefast._compat.v2 import get_flat_models_from_fields as get_flat_models_from_fields
from wirefast._compat.v2 import get_model_name_map as get_model_name_map
from wirefast._compat.v2 import get_schema_from_model_field as get_schema_from_model_field
from wirefast.dependencies.fields import ModelField as ModelField

__all__ = [
    "PYDANTIC_VERSION",
    "PYDANTIC_VERSION_MINOR_TUPLE",
    "ModelField",
    "Undefined",
    "UndefinedType",
    "field_annotation_is_scalar",
    "field_annotation_is_sequence",
    "get_definitions",
    "get_flat_models_from_fields",
    "get_model_name_map",
    "get_schema_from_model_field",
    "is_bytes_sequence_annotation",
    "is_uploadfile_sequence_annotation",
    "lenient_issubclass",
]

PYDANTIC_VERSION_MINOR_TUPLE = tuple(int(part) for part in PYDANTIC_VERSION.split(".")[:2])
