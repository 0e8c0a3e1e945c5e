"""A function of the application as text: of any object, since errors and log lines name it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest

from wirefast._core.source_location import describe, place_of
from wirefast.dependencies import models


def plain() -> None: ...


LINE = plain.__code__.co_firstlineno


@wraps(plain)
def wrapping() -> None: ...


class Proxy:
    """Fails at each attribute, as a proxy does that stands for nothing at the moment."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("working outside of a context")

    def __call__(self) -> None: ...


class Yielding:
    """Has any attribute, each of them such an object again."""

    def __getattr__(self, name: str) -> Any:
        return Yielding()

    def __call__(self) -> None: ...


def circle() -> Callable[[], None]:
    """Two functions, each of which says that it wraps the other."""

    def one() -> None: ...

    def two() -> None: ...

    one.__wrapped__, two.__wrapped__ = two, one  # type: ignore[attr-defined]
    return one


def wrapper_of(inner: Any) -> Callable[[], None]:
    def outer() -> None: ...

    outer.__wrapped__ = inner  # type: ignore[attr-defined]
    return outer


@pytest.mark.parametrize("function", [plain, wrapping, partial(plain), wrapper_of(wrapping)])
def test_the_place_is_that_of_the_innermost_function(function: Any) -> None:
    assert place_of(function) == (__file__, LINE)
    assert describe(function).endswith(f"() in {__file__}, line {LINE}")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (circle, "circle.<locals>.one"),
        (Proxy, "Proxy"),
        (Yielding, "Yielding"),
        (lambda: wrapper_of(Proxy()), "wrapper_of.<locals>.outer"),
        (lambda: partial(Proxy()), "partial"),
        (lambda: 5, "int"),
        (lambda: None, "NoneType"),
    ],
)
def test_any_object_is_described(make: Callable[[], Any], name: str) -> None:
    assert describe(make()).startswith(f"{name}() in ")


@pytest.mark.parametrize("make", [circle, lambda: wrapper_of(Yielding())])
def test_the_place_of_a_declaration_needs_no_end_of_its_wrappers(make: Callable[[], Any]) -> None:
    declared = make()
    assert models.place_of(declared).startswith(declared.__qualname__)
