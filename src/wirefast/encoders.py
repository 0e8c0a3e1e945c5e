"""`jsonable_encoder`: any value as plain dicts, lists, strings and numbers. FastAPI: ``fastapi.encoders``."""

import dataclasses
import datetime
import importlib
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PurePath
from re import Pattern
from types import GeneratorType
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic.networks import AnyUrl, NameEmail
from pydantic.types import SecretBytes, SecretStr
from pydantic_core import PydanticUndefinedType, Url

from wirefast._core.dumping import dumped
from wirefast._core.jsonable import any_json
from wirefast.exceptions import PydanticV1NotSupportedError
from wirefast.types import IncEx

__all__ = ["ENCODERS_BY_TYPE", "decimal_encoder", "isoformat", "jsonable_encoder"]


def isoformat(o: datetime.date | datetime.time) -> str:
    """``o`` as ISO 8601 text."""
    return o.isoformat()


def decimal_encoder(dec_value: Decimal) -> int | float:
    """Return an int when ``dec_value`` has no fractional digits (``1`` but not ``1.0``), else a float.

    A number column of scale 0 keeps its digits. NaN and infinities become floats.
    """
    exponent = dec_value.as_tuple().exponent
    return int(dec_value) if isinstance(exponent, int) and exponent >= 0 else float(dec_value)


#: How values of these types, and of their subclasses, are written. Programs may add entries. An exact type wins over a
#: base class, an earlier entry over a later one.
ENCODERS_BY_TYPE: dict[type[Any], Callable[[Any], Any]] = {
    bytes: lambda o: o.decode(),
    datetime.date: isoformat,
    datetime.datetime: isoformat,
    datetime.time: isoformat,
    datetime.timedelta: lambda o: o.total_seconds(),
    Decimal: decimal_encoder,
    Enum: lambda o: o.value,
    Pattern: lambda o: o.pattern,
}
ENCODERS_BY_TYPE |= dict.fromkeys((frozenset, deque, GeneratorType, set), list)
ENCODERS_BY_TYPE |= dict.fromkeys(
    (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network), str
)
ENCODERS_BY_TYPE |= dict.fromkeys((AnyUrl, NameEmail, Path, SecretBytes, SecretStr, Url, UUID), str)
for module in ("pydantic.color", "pydantic_extra_types.color"):  # one deprecated, the other optional
    with suppress(ImportError):
        ENCODERS_BY_TYPE[importlib.import_module(module).Color] = str


def jsonable_encoder(
    obj: Any,
    include: IncEx | None = None,
    exclude: IncEx | None = None,
    by_alias: bool = True,
    exclude_unset: bool = False,
    exclude_defaults: bool = False,
    exclude_none: bool = False,
    custom_encoder: dict[Any, Callable[[Any], Any]] | None = None,
    sqlalchemy_safe: bool = True,
) -> Any:
    """Turn ``obj`` into what ``json.dumps`` accepts.

    Args:
        obj: pydantic models, dataclasses, enumerations, paths, dates, collections, and what has a ``__dict__``.
        include, exclude: keys of a model or dict to keep or drop; not applied to values inside a dict.
        by_alias: name the fields of a model by alias. Default True.
        exclude_unset, exclude_defaults: drop fields of a model that were not set, or equal their default.
        exclude_none: drop keys whose value is ``None``.
        custom_encoder: functions by type, tried first: exact type, then ``isinstance`` in order. They do not reach
            into models.
        sqlalchemy_safe: drop keys that start with ``_sa``. Default True.

    Raises:
        ValueError: an object that is neither a mapping nor has attributes.
        RecursionError: ``obj`` is deeper than Python's stack. Plain JSON of at most 1,024 levels never is: it stays
            unchanged.
        PydanticV1NotSupportedError: a ``pydantic.v1`` model.
    """
    rules = _Rules(by_alias, exclude_unset, exclude_defaults, exclude_none, custom_encoder or {}, sqlalchemy_safe)
    try:
        return _encode(obj, rules, _keys(include), _keys(exclude))
    except RecursionError:
        # A client's JSON can be deeper than Python's stack.
        return _encode(obj, dataclasses.replace(rules, keeps_json=True), _keys(include), _keys(exclude))


@dataclasses.dataclass(frozen=True)
class _Rules:
    """The arguments of `jsonable_encoder` that hold at every depth."""

    by_alias: bool
    exclude_unset: bool
    exclude_defaults: bool
    exclude_none: bool
    custom: dict[Any, Callable[[Any], Any]]
    sqlalchemy_safe: bool
    keeps_json: bool = False

    def for_dumped_model(self) -> "_Rules":
        """Return the three options that a dumped model, with aliases and encoders applied, still needs."""
        return _Rules(True, False, self.exclude_defaults, self.exclude_none, {}, self.sqlalchemy_safe, self.keeps_json)


def _keys(selection: Any) -> Any:
    return selection if selection is None or isinstance(selection, set | dict) else set(selection)


def _encode(obj: Any, rules: _Rules, include: Any = None, exclude: Any = None) -> Any:
    if rules.custom and (encoder := _encoder_for(obj, rules.custom)) is not None:
        return encoder(obj)
    if isinstance(obj, BaseModel):
        values = dumped(
            obj.model_dump,
            include=include,
            exclude=exclude,
            by_alias=rules.by_alias,
            exclude_unset=rules.exclude_unset,
            exclude_none=rules.exclude_none,
            exclude_defaults=rules.exclude_defaults,
        )
        return _encode(values, rules.for_dumped_model())
    if dataclasses.is_dataclass(obj):
        if isinstance(obj, type):
            raise AssertionError
        return _encode(dataclasses.asdict(obj), rules, include, exclude)
    if isinstance(obj, Enum):
        return obj.value
    if isinstance(obj, PurePath):
        return str(obj)
    if obj is None or isinstance(obj, str | int | float):
        return obj
    if isinstance(obj, PydanticUndefinedType):
        return None
    if rules.keeps_json and include is None and exclude is None and not rules.custom and any_json(obj):
        return obj
    # The loops are in this frame, so that each level of a client's JSON costs one frame, as in FastAPI.
    if isinstance(obj, dict):
        encoded = {}
        for key, value in obj.items():
            if (
                (include is None or key in include)
                and (exclude is None or key not in exclude)
                and not (rules.exclude_none and value is None)
                and not (rules.sqlalchemy_safe and isinstance(key, str) and key.startswith("_sa"))
            ):
                encoded[_encode(key, rules)] = _encode(value, rules)
        return encoded
    if isinstance(obj, list | set | frozenset | GeneratorType | tuple | deque):
        items = []
        for item in obj:
            items.append(_encode(item, rules, include, exclude))  # noqa: PERF401
        return items
    if (encoder := _encoder_for(obj, ENCODERS_BY_TYPE)) is not None:
        return encoder(obj)
    return _encode(_attributes(obj), rules, include, exclude)


def _encoder_for(obj: Any, encoders: dict[Any, Callable[[Any], Any]]) -> Callable[[Any], Any] | None:
    if (encoder := encoders.get(type(obj))) is not None:
        return encoder
    return next((encoder for cls, encoder in encoders.items() if isinstance(obj, cls)), None)


def _attributes(obj: Any) -> Any:
    """Return the members of any other object: what ``dict(obj)`` makes of it, else its ``__dict__``."""
    # Only a program that has imported pydantic.v1 can hold one of its models.
    v1_model = getattr(sys.modules.get("pydantic.v1.main"), "BaseModel", ())
    if isinstance(obj, v1_model):
        raise PydanticV1NotSupportedError(
            f"pydantic.v1 models are no longer supported by FastAPI. Please update the model {obj!r}."
        )
    try:
        return dict(obj)
    except Exception as not_a_mapping:
        try:
            return vars(obj)
        except Exception as no_attributes:
            raise ValueError([not_a_mapping, no_attributes]) from no_attributes


def __getattr__(name: str) -> Any:
    if name in ("encoders_by_class_tuples", "generate_encoders_by_class_tuples"):
        raise AttributeError(
            f"wirefast.encoders has no {name}: FastAPI keeps a second table there. Put encoders into ENCODERS_BY_TYPE, "
            "which is read for each value"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
