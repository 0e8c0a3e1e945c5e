"""Values that travel through requests, and the placeholder for a setting that was not given.

FastAPI: ``fastapi.datastructures``.
"""

from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar, cast

from pydantic import GetJsonSchemaHandler
from pydantic_core import core_schema
from starlette.datastructures import URL, Address, FormData, Headers, QueryParams, State
from starlette.datastructures import UploadFile as StarletteUploadFile

from wirefast.stand_in import stands_in_for

__all__ = [
    "URL",
    "Address",
    "Default",
    "DefaultPlaceholder",
    "DefaultType",
    "FormData",
    "Headers",
    "QueryParams",
    "State",
    "UploadFile",
]


class UploadFile(StarletteUploadFile):
    """A file of a multipart form: Starlette's, usable as a pydantic type.

    As a field type it accepts any Starlette upload unchanged and refuses everything else; its JSON schema is a string
    of media type ``application/octet-stream``. FastAPI: ``fastapi.UploadFile``.

    Attributes:
        file: the open file, spooled in memory up to a size.
        filename: name given by the client, not to be trusted as a path.
        size: bytes, if known.
        headers: the headers of the form part.
        content_type: media type given by the client.
    """

    file: BinaryIO
    filename: str | None
    size: int | None
    headers: Headers

    @classmethod
    def _validate(cls, value: Any, info: core_schema.ValidationInfo) -> "UploadFile":
        if not isinstance(value, StarletteUploadFile):
            raise ValueError(f"Expected UploadFile, received: {type(value)}")
        return cast("UploadFile", value)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: Callable[[Any], core_schema.CoreSchema]
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(cls._validate)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Mapping[str, Any], handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "contentMediaType": "application/octet-stream"}


class DefaultPlaceholder:
    """Marks a setting as not given, and holds the default value.

    True when that value is true; equal to another placeholder of an equal value. An inner setting wins over an outer
    one, even an inner setting that equals the default. Made by `Default`.
    """

    __class__ = stands_in_for("fastapi.datastructures", "DefaultPlaceholder")

    def __init__(self, value: Any) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefaultPlaceholder) and bool(self.value == other.value)

    def __repr__(self) -> str:
        return f"Default({self.value!r})"


DefaultType = TypeVar("DefaultType")


def Default(value: DefaultType) -> DefaultType:
    """``value`` as a `DefaultPlaceholder`; typed as the value so that signatures can use it."""
    return cast(DefaultType, DefaultPlaceholder(value))


#: The setting was not given; for settings that may be ``None``.
_Unset: Any = Default(None)
