"""`Path`, `Query` and the other functions of signatures. They return `Any`, so that a parameter of any type may have
them as its default.

Each builds the class of the same name in `wirefast.params`. FastAPI: ``fastapi.param_functions``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic_core import PydanticUndefined
from typing_extensions import Unpack

from wirefast import params
from wirefast.params import FieldOptions, shows_field_options

__all__ = ["Body", "Cookie", "Depends", "File", "Form", "Header", "Message", "Path", "Query", "Security"]


@shows_field_options
def Path(default: Any = ..., **options: Unpack[FieldOptions]) -> Any:
    """Declare a part of the URL path, always required; see `params.Path` and `FieldOptions`.

    Raises:
        AssertionError: a default was given.
    """
    return params.Path(default, **options)


@shows_field_options
def Query(default: Any = PydanticUndefined, **options: Unpack[FieldOptions]) -> Any:
    """Declare a query parameter, required unless it has a default; see `params.Query` and `FieldOptions`."""
    return params.Query(default, **options)


@shows_field_options
def Header(
    default: Any = PydanticUndefined, *, convert_underscores: bool = True, **options: Unpack[FieldOptions]
) -> Any:
    """Declare a header, required unless it has a default; see `params.Header` and `FieldOptions`.

    ``convert_underscores`` reads ``x-token`` for a parameter ``x_token`` (default True).
    """
    return params.Header(default, convert_underscores=convert_underscores, **options)


@shows_field_options
def Cookie(default: Any = PydanticUndefined, **options: Unpack[FieldOptions]) -> Any:
    """Declare a cookie, required unless it has a default; see `params.Cookie` and `FieldOptions`."""
    return params.Cookie(default, **options)


@shows_field_options
def Body(
    default: Any = PydanticUndefined,
    *,
    embed: bool | None = None,
    media_type: str = "application/json",
    **options: Unpack[FieldOptions],
) -> Any:
    """Declare the body of an HTTP request or a key of it; see `params.Body` and `FieldOptions`."""
    return params.Body(default, embed=embed, media_type=media_type, **options)


@shows_field_options
def Message(default: Any = PydanticUndefined, **options: Unpack[FieldOptions]) -> Any:
    """Declare a handler's message or a member of it; see `params.Message` and `FieldOptions`. wirefast only."""
    return params.Message(default, **options)


@shows_field_options
def Form(
    default: Any = PydanticUndefined,
    *,
    media_type: str = "application/x-www-form-urlencoded",
    **options: Unpack[FieldOptions],
) -> Any:
    """Declare a form field of an HTTP request; see `params.Form` and `FieldOptions`."""
    return params.Form(default, media_type=media_type, **options)


@shows_field_options
def File(
    default: Any = PydanticUndefined, *, media_type: str = "multipart/form-data", **options: Unpack[FieldOptions]
) -> Any:
    """Declare an uploaded file of an HTTP request; see `params.File` and `FieldOptions`."""
    return params.File(default, media_type=media_type, **options)


def Depends(
    dependency: Callable[..., Any] | None = None,
    *,
    use_cache: bool = True,
    scope: Literal["function", "request", "message"] | None = None,
    max_concurrency: int | None = None,
) -> Any:
    """Declare the result of a callable; see `params.Depends`.

    Raises:
        ValueError: ``max_concurrency`` is not a positive integer.
    """
    return params.Depends(dependency, use_cache=use_cache, scope=scope, max_concurrency=max_concurrency)


def Security(
    dependency: Callable[..., Any] | None = None, *, scopes: Sequence[str] | None = None, use_cache: bool = True
) -> Any:
    """Declare the result of a callable that checks OAuth 2 ``scopes``; see `params.Security`."""
    return params.Security(dependency, scopes=scopes, use_cache=use_cache)
