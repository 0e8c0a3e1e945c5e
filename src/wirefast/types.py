"""Type aliases that signatures share. FastAPI: ``fastapi.types``."""

import types
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.main import IncEx

__all__ = ["DecoratedCallable", "DependencyCacheKey", "IncEx", "ModelNameMap", "UnionType"]

#: The function that a route decorator takes and returns.
DecoratedCallable = TypeVar("DecoratedCallable", bound=Callable[..., Any])
#: The type of ``int | None``.
UnionType = types.UnionType
#: The names that models and enumerations have in a schema.
ModelNameMap = dict[type[BaseModel] | type[Enum], str]
#: A dependency in the cache of one connection: its callable, its sorted OAuth 2 scopes, its scope.
DependencyCacheKey = tuple[Callable[..., Any] | None, tuple[str, ...], str]
