"""The solver: raw values read at most once, checks that are pydantic's, failures that stay with their node, exits."""
# ruff: noqa: B008

import asyncio
import types
from typing import Annotated

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from asgi import finish_anyway, websocket_scope
from plans import arguments, field_op, frame_for, hand_written, plan_of, solved
from wirefast import Cookie, Depends, Header, Path, Query
from wirefast._core import solver as module
from wirefast._core.solver import leave


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


# ---- Raw values ----


class Watched(dict):
    """A scope that counts how often each key is read."""

    def __init__(self, *args):
        super().__init__(*args)
        self.reads = {}

    def count(self, key):
        self.reads[key] = self.reads.get(key, 0) + 1

    def __getitem__(self, key):
        self.count(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.count(key)
        return super().get(key, default)


def watched_reads(endpoint, target="/", **scope):
    plan = plan_of(endpoint, path="/{p}/{q}")
    frame = module.open_frame(plan, types.SimpleNamespace(scope=Watched(websocket_scope(target, **scope))))
    finish_anyway(frame.solve())
    assert frame.errors is None, frame.errors
    return frame.connection.scope.reads


def test_each_part_of_the_scope_is_read_once():
    async def endpoint(
        p: str,
        q: int,
        a: str,
        b: Annotated[list[str], Query()],
        c: Annotated[str, Cookie()],
        d: Annotated[str, Cookie()],
        e: Annotated[str, Header()],
        f: Annotated[str, Header()],
    ): ...

    headers = [("cookie", "c=1; d=2"), ("e", "1"), ("f", "2")]
    reads = watched_reads(endpoint, "/x/1?a=1&b=2", headers=headers, path_params={"p": "x", "q": 1})
    # One pass for all headers and one for all cookies.
    assert reads == {"path_params": 1, "query_string": 1, "headers": 2}


def test_what_no_parameter_asks_for_is_not_read():
    async def nothing(): ...

    async def from_the_path(p: str, q: str): ...

    assert watched_reads(nothing) == {}
    assert watched_reads(from_the_path, path_params={"p": "", "q": ""}) == {"path_params": 1}


def test_where_values_come_from():
    async def endpoint(
        p: str,
        q: Annotated[list[str], Query()],
        last: str,
        empty: str,
        x_two: Annotated[str, Header()],
        x_all: Annotated[list[str], Header()],
        c: Annotated[str, Cookie()],
        absent: str | None = None,
        none: Annotated[list[str] | None, Query()] = None,
    ): ...

    assert arguments(
        plan_of(endpoint, path="/{p}"),
        "/?q=1&q=2&last=1&last=2&empty=",
        headers=[("X-Two", "1"), ("X-All", "1"), ("X-Two", "2"), ("X-All", "2"), ("Cookie", "c=%41")],
        path_params={"p": "P"},
    ) == {
        "p": "P", "q": ["1", "2"], "last": "2", "empty": "", "x_two": "1", "x_all": ["1", "2"], "c": "%41",
        "absent": None, "none": None,
    }  # fmt: skip


def test_path_parameters_of_the_scope_are_not_touched():
    params = {"p": "P"}
    frame = solved(plan_of(lambda p: None, path="/{p}"), path_params=params)
    assert frame.endpoint_arguments() == params
    assert frame.endpoint_arguments() is not params


def test_a_scope_without_path_parameters():
    async def endpoint(p: str): ...

    assert solved(plan_of(endpoint, path="/{p}")).errors == [
        {"type": "missing", "loc": ("path", "p"), "msg": "Field required", "input": None}
    ]


# ---- Checks ----


def check(annotation, raw):
    """Value or errors of one query parameter, by our solver and by pydantic."""

    async def endpoint(value): ...

    endpoint.__annotations__["value"] = annotation
    frame = frame_for(plan_of(endpoint, path="/{value}"), path_params={"value": raw})
    finish_anyway(frame.solve())
    try:
        expected = TypeAdapter(annotation).validate_python(raw)
    except ValidationError as exc:
        assert [error["type"] for error in frame.errors] == [error["type"] for error in exc.errors()]
        assert frame.errors[0]["loc"][:2] == ("path", "value")
        return
    assert frame.errors is None, frame.errors
    found = frame.endpoint_arguments()["value"]
    assert (type(found), found) == (type(expected), expected)


numbers = st.one_of(
    st.integers(-130, 130).map(str),
    st.integers().map(str),
    st.integers(10**17, 10**19).map(str),
    st.text("0123456789+-_. \u0663e", max_size=20),
)
BOUNDS = [
    int,
    int | None,
    Annotated[int, Path(ge=1, le=100)],
    Annotated[int, Path(gt=-1, lt=100)],
    Annotated[int, Path(gt=5)],
    Annotated[int, Path(ge=-(2**62), lt=2**63)],
    Annotated[int, Path(gt=-(2**63), le=2**64)],
    Annotated[int, Path(multiple_of=3)],
    Annotated[int, Path(strict=True)],
]


@pytest.mark.parametrize("annotation", BOUNDS, ids=str)
@settings(max_examples=60, deadline=None)
@given(numbers)
@example("0")
@example("1")
@example("00100")
@example("999999999999999999")
@example("1000000000000000000")
@example("9223372036854775807")
@example("9223372036854775808")
@example("")
@example("1" * 4301)
def test_integers_are_pydantics(annotation, raw):
    check(annotation, raw)


@pytest.mark.parametrize("raw", [0, 7, True, 7.0, 7.5, 2**70, "7"])
def test_integers_that_a_convertor_made(raw):
    check(int, raw)
    check(Annotated[int, Path(ge=5, le=2**65)], raw)


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        str | None,
        Annotated[str, Path(min_length=2)],
        Annotated[str, Path(max_length=3)],
        Annotated[str, Path(min_length=2, max_length=3)],
        Annotated[str, Path(pattern="^a+$")],
    ],
    ids=str,
)
@pytest.mark.parametrize("raw", ["", "a", "aa", "aaa", "aaaa", "é€😀", "😀😀😀😀", "a\x00", 5, None])
def test_strings_are_pydantics(annotation, raw):
    if raw is not None:
        check(annotation, raw)


def test_a_str_of_lone_surrogates_is_refused_as_by_pydantic():
    check(str, "\ud800")
    check(Annotated[str, Path(max_length=5)], "a\udc80")


def test_locations_and_inputs_of_errors():
    async def endpoint(a: int, b: Annotated[int, Query(alias="B")], c: Annotated[list[int], Query()]): ...

    assert [
        (error["type"], error["loc"], error["input"]) for error in solved(plan_of(endpoint), "/?a=x&c=1&c=y").errors
    ] == [
        ("int_parsing", ("query", "a"), "x"),
        ("missing", ("query", "B"), None),
        ("int_parsing", ("query", "c", 1), "y"),
    ]


def test_exceptions_that_are_no_validation_errors_pass():
    def validate(value):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        solved(hand_written(field_op("a", 0, validate=validate)), "/?a=1")


# ---- Defaults ----


def test_mutable_defaults_are_one_connections_own():
    async def endpoint(a: Annotated[list[str], Query()] = ["x"], b: str = "b"): ...  # noqa: B006

    plan = plan_of(endpoint)
    first, second = arguments(plan), arguments(plan)
    assert first == second == {"a": ["x"], "b": "b"}
    assert first["a"] is not second["a"]
    assert first["b"] is second["b"]


def test_factories_and_validated_defaults():
    made = []

    def factory():
        made.append(1)
        return len(made)

    async def endpoint(
        a: Annotated[int, Query(default_factory=factory)], b: Annotated[int, Query(validate_default=True)] = "7"
    ): ...

    plan = plan_of(endpoint)
    assert [arguments(plan) for _ in range(2)] == [{"a": 1, "b": 7}, {"a": 2, "b": 7}]
    assert arguments(plan, "/?a=9") == {"a": 9, "b": 7}
    assert len(made) == 2


# ---- Dependencies ----


def test_a_failure_stops_its_node_and_those_above_it_only():
    calls = []

    async def leaf(missing: int):
        calls.append("leaf")

    async def middle(value: Annotated[None, Depends(leaf)]):
        calls.append("middle")

    async def sibling(also: int):
        calls.append("sibling")

    async def good():
        calls.append("good")

    async def endpoint(
        a: Annotated[None, Depends(middle)], b: Annotated[None, Depends(sibling)], c: Annotated[None, Depends(good)]
    ):
        calls.append("endpoint")

    frame = solved(plan_of(endpoint))
    assert [error["loc"] for error in frame.errors] == [("query", "missing"), ("query", "also")]
    assert calls == ["good"]


def test_a_dependency_is_called_once_unless_told_otherwise():
    calls = []

    async def shared(q: str = "x"):
        calls.append(q)
        return len(calls)

    async def middle(value: Annotated[int, Depends(shared)]):
        return value

    async def endpoint(
        a: Annotated[int, Depends(shared)],
        b: Annotated[int, Depends(middle)],
        c: Annotated[int, Depends(shared, use_cache=False)],
        d: Annotated[int, Depends(shared)],
    ): ...

    assert arguments(plan_of(endpoint)) == {"a": 1, "b": 1, "c": 2, "d": 1}
    assert len(calls) == 2


def test_a_cached_none_is_a_value():
    calls = []

    async def nothing():
        calls.append(1)

    async def endpoint(a: Annotated[None, Depends(nothing)], b: Annotated[None, Depends(nothing)]): ...

    assert arguments(plan_of(endpoint)) == {"a": None, "b": None}
    assert calls == [1]


async def run(endpoint, target="/"):
    """Solve in the running loop, call the endpoint, leave: what the endpoint returned."""
    frame = frame_for(plan_of(endpoint), target)
    await frame.solve()
    value = await frame.call_endpoint()
    await leave(frame.take_exits())
    return value


def test_every_kind_of_callable():
    events = []

    async def coroutine():
        return "coroutine"

    def thread():
        return "thread"

    def generator():
        yield "generator"
        events.append("generator left")

    async def async_generator():
        yield "async generator"
        events.append("async generator left")

    class Instance:
        async def __call__(self):
            return "instance"

    class Class:
        def __eq__(self, other):
            return isinstance(other, Class)

    async def endpoint(
        a=Depends(coroutine),
        b=Depends(thread),
        c=Depends(generator),
        d=Depends(async_generator),
        e=Depends(Instance()),
        f=Depends(Class),
    ):
        assert events == []
        return a, b, c, d, e, f

    assert asyncio.run(run(endpoint)) == ("coroutine", "thread", "generator", "async generator", "instance", Class())
    assert events == ["async generator left", "generator left"]


def test_generators_under_a_wrapper():
    """An async generator function by name, whose call gives something else: contextlib says what it thinks."""

    async def generator():
        yield 1

    def wrapper():
        return generator()

    wrapper.__wrapped__ = generator

    async def endpoint(a=Depends(wrapper)):
        return a

    assert asyncio.run(run(endpoint)) == 1


def test_a_generator_that_yields_nothing():
    async def nothing():
        return
        yield

    async def endpoint(a=Depends(nothing)): ...

    with pytest.raises(RuntimeError, match="generator didn't yield"):
        asyncio.run(run(endpoint))


def test_function_scope_is_left_first_and_apart():
    async def generator():
        yield 1

    async def endpoint(
        a=Depends(generator, scope="function"),
        b=Depends(generator, scope="request"),
        c=Depends(generator, scope="function", use_cache=False),
    ): ...

    async def main():
        frame = frame_for(plan_of(endpoint))
        await frame.solve()
        function_exits = frame.take_function_exits()
        assert len(function_exits) == 2
        assert frame.take_function_exits() == []
        request_exits = frame.take_exits()
        assert len(request_exits) == 1
        assert frame.take_exits() == []
        await leave(request_exits)
        await leave(function_exits)

        frame = frame_for(plan_of(endpoint))
        await frame.solve()
        both = frame.take_exits()
        # Left from the last on: the function scope first.
        assert len(both) == 3
        await leave(both)
        assert both == []

    asyncio.run(main())


# ---- leave() ----


# ---- Memory ----
