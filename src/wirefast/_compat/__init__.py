"""FastAPI's private ``fastapi._compat`` under its name: what libraries, and FastAPI's own tests, import from there."""

from pydantic.version import VERSION as PYDANTIC_VERSION
from pydantic_core import PydanticUndefined as Undefined
from pydantic_core import PydanticUndefinedType as UndefinedType

from wirefast._compat.shared import annotation_is_pydantic_v1 as annotation_is_pydantic_v1
from wirefast._compat.shared import field_annotation_is_scalar as field_annotation_is_scalar
from wirefast._compat.shared import field_annotation_is_scalar_sequence as field_annotation_is_scalar_sequence
from wirefast._compat.shared import field_annotation_is_sequence as field_annotation_is_sequence
from wirefast._compat.shared import is_bytes_or_nonable_bytes_annotation as is_bytes_or_nonable_bytes_annotation
from wirefast._compat.shared import is_bytes_sequence_annotation as is_bytes_sequence_annotation
from wirefast._compat.shared import (
    is_uploadfile_or_nonable_uploadfile_annotation as is_uploadfile_or_nonable_uploadfile_annotation,
)
from wirefast._compat.shared import is_uploadfile_sequence_annotation as is_uploadfile_sequence_annotation
from wirefast._compat.shared import lenient_issubclass as lenient_issubclass
from wirefast._compat.shared import sequence_types as sequence_types
from wirefast._compat.shared import value_is_sequence as value_is_sequence
from wirefast._compat.v2 import create_body_model as create_body_model
from wirefast._compat.v2 import get_cached_model_fields as get_cached_model_fields
from wirefast._compat.v2 import get_definitions as get_definitions
from wirefast._compat.v2 import get_flat_models_from_fields as get_flat_models_from_fields
from wirefast._compat.v2 import get_missing_field_error as get_missing_field_error
from wirefast._compat.v2 import get_model_name_map as get_model_name_map
from wirefast._compat.v2 import get_schema_from_model_field as get_schema_from_model_field
from wirefast._compat.v2 import is_scalar_field as is_scalar_field
from wirefast._compat.v2 import serialize_sequence_value as serialize_sequence_value
from wirefast.dependencies.fields import ModelField as ModelField

__all__ = [
    "ModelField",
    "PYDANTIC_VERSION",
    "PYDANTIC_VERSION_MINOR_TUPLE",
    "Undefined",
    "UndefinedType",
    "annotation_is_pydantic_v1",
    "create_body_model",
    "field_annotation_is_scalar",
    "field_annotation_is_scalar_sequence",
    "field_annotation_is_sequence",
    "get_cached_model_fields",
    "get_definitions",
    "get_flat_models_from_fields",
    "get_missing_field_error",
    "get_model_name_map",
    "get_schema_from_model_field",
    "is_bytes_or_nonable_bytes_annotation",
    "is_bytes_sequence_annotation",
    "is_scalar_field",
    "is_uploadfile_or_nonable_uploadfile_annotation",
    "is_uploadfile_sequence_annotation",
    "lenient_issubclass",
    "sequence_types",
    "serialize_sequence_value",
    "value_is_sequence",
]

PYDANTIC_VERSION_MINOR_TUPLE = tuple(int(part) for part in PYDANTIC_VERSION.split(".")[:2])
