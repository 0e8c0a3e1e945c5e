"""One example of a parameter, which declarations take; it loads none of OpenAPI's models.

FastAPI: ``fastapi.openapi.models``, where `wirefast.openapi.models` has the class too.
"""

from typing import Any

from pydantic import AnyUrl, ConfigDict
from typing_extensions import TypedDict

__all__ = ["Example"]


class Example(TypedDict, total=False):
    """One named example of a parameter; ``value`` is any JSON value, ``externalValue`` a URL in its place."""

    summary: str | None
    description: str | None
    value: Any | None
    externalValue: AnyUrl | None

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
