"""ScopedValue: a parameter with the value of a message-scoped dependency in the scope of the running task."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_ABSENT = object()


class ScopedValue:
    """A proxy of a value: attributes, items, calls, operators, ``with`` and ``for`` are those of the value.

    Code that checks the class itself (``type(x) is``, C code) gets this class; ``async with websocket.message_scope()
    as values`` gives the values themselves.
    """

    __slots__ = ("__name", "__current")

    def __init__(self, name: str, current: ContextVar[dict[str, Any] | None]) -> None:
        object.__setattr__(self, "_ScopedValue__name", name)
        object.__setattr__(self, "_ScopedValue__current", current)

    def __getattr__(self, name: str) -> Any:
        return getattr(value_of(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(value_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(value_of(self), name)

    @property  # type: ignore[misc] # a class can be assigned to, this one is only looked at
    def __class__(self) -> Any:
        value = _value_or_absent(self)
        return ScopedValue if value is _ABSENT else type(value)

    def __dir__(self) -> Any:
        return dir(value_of(self))

    def __repr__(self) -> str:
        value = _value_or_absent(self)
        name = object.__getattribute__(self, "_ScopedValue__name")
        return f"<{name} of each message>" if value is _ABSENT else repr(value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return value_of(self)(*arguments, **keywords)


def _value_or_absent(scoped: ScopedValue) -> Any:
    values = object.__getattribute__(scoped, "_ScopedValue__current").get()
    name = object.__getattribute__(scoped, "_ScopedValue__name")
    return _ABSENT if values is None else values.get(name, _ABSENT)


def value_of(scoped: ScopedValue) -> Any:
    """Return the value itself.

    Raises:
        RuntimeError: the running task is in no scope, or in a scope that has ended.
    """
    value = _value_or_absent(scoped)
    if value is _ABSENT:
        name = object.__getattribute__(scoped, "_ScopedValue__name")
        raise RuntimeError(f'{name!r} has the scope "message": use it inside `async with websocket.message_scope():`')
    return value


def _forward(name: str, function: Callable[..., Any]) -> None:
    def method(self: ScopedValue, *arguments: Any) -> Any:
        return function(value_of(self), *arguments)

    method.__name__ = name
    setattr(ScopedValue, name, method)


def _special(name: str) -> Callable[..., Any]:
    """Call a special method as the interpreter does: that of the class."""
    return lambda value, *arguments: getattr(type(value), name)(value, *arguments)


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, other: function(other, value)


_BINARY = "add sub mul matmul truediv floordiv mod pow lshift rshift and_ or_ xor".split()
for _name in _BINARY:
    _function = getattr(operator, _name)
    _forward(f"__{_name.rstrip('_')}__", _function)
    _forward(f"__r{_name.rstrip('_')}__", _reflected(_function))
    _forward(f"__i{_name.rstrip('_')}__", getattr(operator, f"i{_name.rstrip('_')}"))
for _name in "lt le eq ne gt ge neg pos abs invert index getitem setitem delitem contains".split():
    _forward(f"__{_name}__", getattr(operator, f"__{_name}__"))
for _function in (str, bytes, format, hash, bool, len, int, float, complex, iter, next, reversed, divmod, round):
    _forward(f"__{_function.__name__}__", _function)
for _name in ("__await__", "__aiter__", "__anext__", "__enter__", "__exit__", "__aenter__", "__aexit__"):
    _forward(_name, _special(_name))
