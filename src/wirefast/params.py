"""The classes behind `Query`, `Path`, `Depends` and the others: what a parameter declaration holds::

    pydantic FieldInfo ┬ Param ┬ Path      from the URL path
                       │       ├ Query     from the query string
                       │       ├ Header    from the headers
                       │       └ Cookie    from the Cookie headers
                       └ Body ─── Form ─── File      from the body of an HTTP request
    Depends ─── Security                   from another callable

The classes differ in a few keywords and share some thirty others, which `FieldOptions` lists once: checkers and
editors read the typed dictionary, ``inspect.signature`` shows each keyword by name. Declarations only hold values;
``wirefast.dependencies`` decides what they mean. FastAPI: ``fastapi.params``.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import wraps
from typing import Any, Literal, TypeVar, cast

from pydantic import AliasChoices, AliasPath, Discriminator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import TypedDict, Unpack, get_type_hints
from typing_extensions import deprecated as Deprecated

from wirefast.concurrency import DependencyConcurrency
from wirefast.datastructures import _Unset
from wirefast.exceptions import FastAPIDeprecationWarning
from wirefast.openapi.example import Example

__all__ = [
    "Body",
    "Cookie",
    "Depends",
    "FieldOptions",
    "File",
    "Form",
    "Header",
    "Message",
    "Param",
    "ParamTypes",
    "Path",
    "Query",
    "Security",
]


class ParamTypes(Enum):
    """Where in a request a `Param` is read from."""

    query = "query"
    header = "header"
    path = "path"
    cookie = "cookie"


class FieldOptions(TypedDict, total=False):
    """The keywords all parameter declarations share, all optional.

    Naming:
        default_factory: called without arguments, once per connection, for a value that is missing.
        alias: the name on the wire. Default: the name of the parameter.
        alias_priority: 1 lets an alias generator replace the alias, 2 does not.
        validation_alias: the name read, if not ``alias``; may be a path into the value or several choices.
        serialization_alias: the name written; ``alias`` unless given.
        title, description, examples, openapi_examples: for documentation only.
        include_in_schema: False leaves the parameter out of documentation. Default True.
        json_schema_extra: merged into the JSON schema, or a function that edits it.
        deprecated: documented as deprecated; a string says what to use instead.

    Constraints:
        gt, ge, lt, le: bounds: greater than, at least, less than, at most.
        multiple_of: the value is a whole multiple of this.
        allow_inf_nan: whether a float may be infinite or NaN.
        max_digits, decimal_places: the bounds of a ``Decimal``.
        min_length, max_length: in characters of a string or items of a collection.
        pattern: regular expression a string must contain a match of.
        strict: accept only values of the exact type.
        discriminator: the field that tells which member of a union is meant.
        union_mode: ``"smart"`` tries all members for the best, ``"left_to_right"`` takes the first that fits.
        fail_fast: stop at the first wrong item of a collection.
        validate_default: validate the default as if it had been sent.

    Deprecated, with a `FastAPIDeprecationWarning`:
        regex: use ``pattern``.
        example: use ``examples``.

    Constraints are checked by pydantic, and mean what they mean in ``pydantic.Field``.
    """

    default_factory: Callable[[], Any] | None
    alias: str | None
    alias_priority: int | None
    validation_alias: str | AliasPath | AliasChoices | None
    serialization_alias: str | None
    title: str | None
    description: str | None
    gt: float | None
    ge: float | None
    lt: float | None
    le: float | None
    min_length: int | None
    max_length: int | None
    pattern: str | re.Pattern[str] | None
    regex: str | None
    discriminator: str | Discriminator | None
    strict: bool | None
    validate_default: bool | None
    union_mode: Literal["smart", "left_to_right"] | None
    fail_fast: bool | None
    multiple_of: float | None
    allow_inf_nan: bool | None
    max_digits: int | None
    decimal_places: int | None
    examples: list[Any] | None
    example: Any | None
    openapi_examples: dict[str, Example] | None
    deprecated: Deprecated | str | bool | None
    include_in_schema: bool
    json_schema_extra: dict[str, Any] | Callable[[dict[str, Any]], None] | None


#: Options whose default is a value. The others are "not given", which pydantic tells from None.
_DEFAULTS: dict[str, Any] = dict.fromkeys(
    ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern", "regex", "openapi_examples")
) | {"include_in_schema": True}

_OPTIONS = {
    name: inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name, _Unset), annotation=annotation
    )
    for name, annotation in get_type_hints(FieldOptions).items()
}

_F = TypeVar("_F", bound=Callable[..., Any])


def shows_field_options(function: _F) -> _F:
    """Give ``function(..., **options: Unpack[FieldOptions])`` a signature with every option spelled out.

    Another keyword is a TypeError, even if the class behind the function takes that keyword.
    """
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    taken = {p.name for p in own} | _OPTIONS.keys()

    @wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        if unknown := options.keys() - taken:
            name = function.__qualname__.removesuffix(".__init__")
            raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")
        return function(*args, **options)

    checked.__signature__ = signature.replace(parameters=[*own, *_OPTIONS.values()])  # type: ignore[attr-defined]
    return cast(_F, checked)


# pydantic marks FieldInfo as final, for checkers only.
_FieldInfo: Any = FieldInfo


class _Declaration(_FieldInfo):  # type: ignore[misc]
    """A pydantic field that also holds what documentation and the solver need of a parameter."""

    include_in_schema: bool
    openapi_examples: dict[str, Example] | None
    example: Any

    def __init__(self, default: Any, annotation: Any | None, options: FieldOptions) -> None:
        given: dict[str, Any] = _DEFAULTS | options
        self.include_in_schema = given.pop("include_in_schema")
        self.openapi_examples = given.pop("openapi_examples")
        self.example = given.pop("example", _Unset)
        if self.example is not _Unset:
            _warn_renamed("example", "examples")
        regex = given.pop("regex")
        if regex is not None:
            _warn_renamed("regex", "pattern")
        given["pattern"] = given["pattern"] or regex

        # The alias is for reading and writing, unless these have aliases of their own.
        alias = given.get("alias", _Unset)
        if given.get("validation_alias") in (_Unset, None):
            given["validation_alias"] = alias
        if given.get("serialization_alias") in (_Unset, None) and isinstance(alias, str):
            given["serialization_alias"] = alias

        given = {name: value for name, value in given.items() if value is not _Unset}
        super().__init__(default=default, annotation=annotation, **given)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.default})"


def _warn_renamed(old: str, new: str) -> None:
    """Warn at the line of the declaration, behind all constructors of wirefast."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals["__name__"] in _OUR_MODULES:
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"`{old}` has been deprecated, please use `{new}` instead", category=FastAPIDeprecationWarning, stacklevel=level
    )


_OUR_MODULES = (__name__, __name__.replace("params", "param_functions"))


class Param(_Declaration):
    """A parameter outside the body; ``in_`` says where. The base of the four below.

    Args:
        default: value when it is missing; without one (or with ``...``) the parameter is required.
        annotation: its type, normally taken from the signature.
        **options: see `FieldOptions`.

    Raises:
        TypeError: both ``default`` and ``default_factory``, or an unknown option.
    """

    in_: ParamTypes

    @shows_field_options
    def __init__(
        self, default: Any = PydanticUndefined, *, annotation: Any | None = None, **options: Unpack[FieldOptions]
    ) -> None:
        super().__init__(default, annotation, options)


class Path(Param):
    """A part of the URL path. Always required; the arguments are those of `Param`.

    Raises:
        AssertionError: a default was given.
    """

    in_ = ParamTypes.path

    @shows_field_options
    def __init__(self, default: Any = ..., *, annotation: Any | None = None, **options: Unpack[FieldOptions]) -> None:
        if default is not ...:
            raise AssertionError("Path parameters cannot have a default value")
        super().__init__(default, annotation=annotation, **options)


class Query(Param):
    """A parameter of the query string: the last value if the name is repeated, all values for a collection type.

    The arguments are those of `Param`.
    """

    in_ = ParamTypes.query

    @shows_field_options
    def __init__(
        self, default: Any = PydanticUndefined, *, annotation: Any | None = None, **options: Unpack[FieldOptions]
    ) -> None:
        super().__init__(default, annotation=annotation, **options)


class Header(Param):
    """A header: the first value if the name is repeated, all values for a collection type.

    Args:
        convert_underscores: read ``x-token`` for a parameter ``x_token``. Default True; an alias stays unchanged.

    The other arguments are those of `Param`.
    """

    in_ = ParamTypes.header

    @shows_field_options
    def __init__(
        self,
        default: Any = PydanticUndefined,
        *,
        annotation: Any | None = None,
        convert_underscores: bool = True,
        **options: Unpack[FieldOptions],
    ) -> None:
        self.convert_underscores = convert_underscores
        super().__init__(default, annotation=annotation, **options)


class Cookie(Param):
    """A cookie: the last value if the name is repeated. The arguments are those of `Param`."""

    in_ = ParamTypes.cookie

    @shows_field_options
    def __init__(
        self, default: Any = PydanticUndefined, *, annotation: Any | None = None, **options: Unpack[FieldOptions]
    ) -> None:
        super().__init__(default, annotation=annotation, **options)


class Body(_Declaration):
    """The body of an HTTP request, or a part of the body. A WebSocket handshake has no body.

    Args:
        default: value when it is missing; without one (or with ``...``) it is required.
        annotation: its type, normally taken from the signature.
        embed: expect ``{"name": value}`` rather than the value. Default: only when there are several body parameters.
        media_type: expected ``Content-Type``. Default ``application/json``.
        **options: see `FieldOptions`.

    Raises:
        TypeError: both ``default`` and ``default_factory``, or an unknown option.
    """

    @shows_field_options
    def __init__(
        self,
        default: Any = PydanticUndefined,
        *,
        annotation: Any | None = None,
        embed: bool | None = None,
        media_type: str = "application/json",
        **options: Unpack[FieldOptions],
    ) -> None:
        self.embed = embed
        self.media_type = media_type
        super().__init__(default, annotation, options)


class Form(Body):
    """A field of an HTML form. Default media type ``application/x-www-form-urlencoded``.

    The arguments are those of `Body`, without ``embed``.
    """

    @shows_field_options
    def __init__(
        self,
        default: Any = PydanticUndefined,
        *,
        annotation: Any | None = None,
        media_type: str = "application/x-www-form-urlencoded",
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(default, annotation=annotation, media_type=media_type, **options)


class File(Form):
    """A file of a form. Default media type ``multipart/form-data``. The arguments are those of `Form`."""

    @shows_field_options
    def __init__(
        self,
        default: Any = PydanticUndefined,
        *,
        annotation: Any | None = None,
        media_type: str = "multipart/form-data",
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(default, annotation=annotation, media_type=media_type, **options)


class Message(Body):
    """The message of a message handler, or a member of it. wirefast only.

    The handler gets the message itself. A message-scoped dependency gets the message if the parameter has the
    message's type, and otherwise the member with the name of the parameter. The arguments are those of `Body`.
    """


@dataclass(frozen=True)
class Depends:
    """A parameter whose value is what a callable returns or yields.

    Args:
        dependency: the callable; ``None`` takes the parameter's annotation.
        use_cache: share one result per connection among equal declarations. Default True.
        scope: when a dependency with ``yield`` ends: ``"function"`` with the endpoint, ``"request"`` after it.
            ``None`` means ``"request"`` for those that yield. ``"message"``, only in message handlers: the dependency
            is solved and cached for each message, and ends after the replies to the message were sent.
        max_concurrency: how many calls of this declaration may run at once in an event loop; ``None`` for no limit.

    Raises:
        ValueError: ``max_concurrency`` is not a positive integer.
    """

    dependency: Callable[..., Any] | None = None
    use_cache: bool = True
    scope: Literal["function", "request", "message"] | None = None
    max_concurrency: int | None = field(default=None, kw_only=True)
    #: The limit, which ``dataclasses.replace`` keeps; None for no limit.
    _concurrency: DependencyConcurrency | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        limit, current = self.max_concurrency, self._concurrency
        if limit is None:
            concurrency = None
        elif type(limit) is not int or limit < 1:  # a bool is not a number of calls
            raise ValueError("max_concurrency must be a positive integer or None")
        elif current is not None and current.max_concurrency == limit:
            concurrency = current
        else:
            concurrency = DependencyConcurrency(limit)
        object.__setattr__(self, "_concurrency", concurrency)


@dataclass(frozen=True)
class Security(Depends):
    """A `Depends` that also asks for OAuth 2 scopes.

    Args:
        scopes: added to those of the declarations above it; a `SecurityScopes` parameter receives them all.
    """

    scopes: Sequence[str] | None = None
