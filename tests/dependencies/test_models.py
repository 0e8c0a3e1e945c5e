"""Dependant: how a callable has to be called, and what makes two dependencies the same one."""

import functools

import fastapi.dependencies.models as oracle
import pytest

from shown import shown
from wirefast.dependencies.models import (
    Dependant,
    cache_key,
    call_kind,
    computed_scope,
    is_generator_kind,
    oauth_scopes,
    uses_scopes,
)
from wirefast.security import HTTPBearer


def function(): ...


async def coroutine(): ...


def generator():
    yield


async def async_generator():
    yield


class Plain:
    def __init__(self): ...


class Callable:
    def __call__(self): ...


class AsyncCallable:
    async def __call__(self): ...


class GeneratorCallable:
    def __call__(self):
        yield


class AsyncGeneratorCallable:
    async def __call__(self):
        yield

    def method(self):
        yield

    async def async_method(self): ...

    @classmethod
    async def class_method(cls): ...

    @staticmethod
    async def static_method():
        yield


def wrapped(call):
    @functools.wraps(call)
    def wrapper():
        return call()

    return wrapper


def async_wrapped(call):
    @functools.wraps(call)
    async def wrapper():
        return call()

    return wrapper


INSTANCES = [Callable(), AsyncCallable(), GeneratorCallable(), AsyncGeneratorCallable()]
CALLABLES = [
    function, coroutine, generator, async_generator, Plain, AsyncCallable, GeneratorCallable, *INSTANCES,
    INSTANCES[3].method, INSTANCES[3].async_method, AsyncGeneratorCallable.class_method,
    AsyncGeneratorCallable.static_method, len, int, functools.partial(int, "1"), lambda: None, {}.get,
]  # fmt: skip
WRAPPERS = [
    lambda call: call,
    functools.partial,
    lambda call: functools.partial(functools.partial(call)),
    wrapped,
    async_wrapped,
    lambda call: functools.partial(wrapped(call)),
    lambda call: wrapped(functools.partial(call)) if hasattr(call, "__name__") else functools.partial(call),
    lambda call: functools.lru_cache(call),
]


def theirs(call):
    if oracle._is_gen_callable(call):
        return "generator"
    if oracle._is_async_gen_callable(call):
        return "async generator"
    return "coroutine" if oracle._is_coroutine_callable(call) else "function"


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("call", CALLABLES, ids=shown)
def test_kinds_are_fastapis(call, wrap):
    call = wrap(call)
    assert call_kind(call) == theirs(call)
    assert is_generator_kind(call) is (theirs(call) in ("generator", "async generator"))


def test_kinds_by_name():
    kinds = [call_kind(call) for call in (function, coroutine, generator, async_generator, Plain, None)]
    assert kinds == ["function", "coroutine", "generator", "async generator", "function", "function"]


def test_a_kind_is_found_without_hashing_or_comparing():
    class Unhashable:
        __hash__ = None

        def __eq__(self, other):
            raise AssertionError

        async def __call__(self): ...

    assert [call_kind(Unhashable()) for _ in range(3)] == ["coroutine"] * 3


@pytest.mark.parametrize(
    ("call", "scope", "expected"),
    [(function, None, None), (generator, None, "request"), (async_generator, None, "request")]
    + [(generator, "function", "function"), (function, "request", "request")],
)
def test_computed_scope(call, scope, expected):
    assert computed_scope(Dependant(call=call, scope=scope)) == expected


def test_oauth_scopes_come_parents_first_and_once():
    dependant = Dependant(parent_oauth_scopes=["a", "b"], own_oauth_scopes=["c", "b", "c"])
    assert oauth_scopes(dependant) == ["a", "b", "c"]
    assert oauth_scopes(Dependant()) == []


def test_who_uses_scopes():
    assert not uses_scopes(Dependant(call=function, parent_oauth_scopes=["a"]))
    assert uses_scopes(Dependant(call=function, own_oauth_scopes=["a"]))
    assert uses_scopes(Dependant(call=function, security_scopes_param_name="scopes"))
    assert uses_scopes(Dependant(call=HTTPBearer()))
    assert uses_scopes(Dependant(call=function, dependencies=[Dependant(call=HTTPBearer())]))


def test_cache_keys():
    def key(call=function, **options):
        return cache_key(Dependant(call=call, **options))

    assert key() == key()
    assert key() != key(generator)
    # Scopes tell appearances apart only where the result may depend on them; their order does not.
    assert key(parent_oauth_scopes=["a"]) == key()
    assert key(own_oauth_scopes=["a"]) != key()
    assert key(own_oauth_scopes=["a", "b"]) == key(own_oauth_scopes=["b"], parent_oauth_scopes=["a"])
    assert key(generator, scope="function") != key(generator, scope="request") == key(generator)
