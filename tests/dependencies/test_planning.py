"""From a Dependant to a Plan: the order of the operations, the slots they share, and what is decided beforehand."""
# ruff: noqa: B008

import warnings
from datetime import datetime
from typing import Annotated, Any

import pytest
from annotated_types import Predicate
from fastapi import security as fastapi_security
from pydantic import AfterValidator, BaseModel, Json
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from asgi import finish_anyway
from plans import Recorded, arguments, frame_for, plan_of, solved
from wirefast import App, BackgroundTasks, Body, Cookie, Depends, File, Form, Header, Path, Query, Security, WebSocket
from wirefast.dependencies.analysis import get_endpoint_dependant
from wirefast.dependencies.planning import make_plan, refuse_body
from wirefast.exceptions import FastAPIError
from wirefast.security import SecurityScopes


@pytest.fixture
def recorded(monkeypatch):
    return Recorded(monkeypatch)


async def leaf(x: int):
    return x


async def middle(value: Annotated[int, Depends(leaf)], y: str):
    return value


# ---- Order and slots ----


def test_sub_dependencies_first_then_parameters_by_place(recorded):
    async def endpoint(
        c: Annotated[str, Cookie()],
        q: str,
        h: Annotated[str, Header()],
        p: str,
        a: Annotated[int, Depends(middle)],
        b: Annotated[int, Depends(leaf)],
    ): ...

    plan_of(endpoint, path="/{p}")
    assert recorded.outline() == [
        "skip", "skip", "query x", "call leaf", "query y", "call middle",
        "skip", "query x", "call leaf",
        "path p", "query q", "header h", "cookie c",
    ]  # fmt: skip


def test_every_value_has_a_slot_and_shared_ones_share(recorded):
    async def endpoint(
        websocket: WebSocket,
        connection: HTTPConnection,
        a: Annotated[int, Depends(leaf)],
        b: Annotated[int, Depends(leaf)],
        c: Annotated[int, Depends(leaf, use_cache=False)],
    ): ...

    plan_of(endpoint)
    slots = recorded.find("CallOp", parent=-1)["arguments"]
    assert slots["a"] == slots["b"] != slots["c"]
    assert slots["websocket"] == slots["connection"] == recorded.plan["connection_slot"]
    assert len({*slots.values()}) == 3
    assert (recorded.plan["response_slot"], recorded.plan["background_slot"]) == (-1, -1)
    # Three appearances of leaf, with a parameter each, and the connection.
    assert recorded.plan["slot_count"] == 3 + 2 + 1
    assert recorded.plan["node_count"] == 4


def test_a_skip_lands_behind_its_subtree(recorded):
    async def endpoint(a: Annotated[int, Depends(middle)], b: Annotated[int, Depends(middle)], q: str): ...

    plan = plan_of(endpoint)
    outline = recorded.outline()
    second = outline.index("skip", 2)
    assert outline[second:] == ["skip", "skip", "query x", "call leaf", "query y", "call middle", "query q"]
    # The second middle is not looked at: a wrong x is reported once only.
    assert [error["loc"] for error in solved(plan, "/?x=1&q=1").errors] == [("query", "y"), ("query", "y")]
    assert arguments(plan, "/?x=1&y=1&q=1") == {"a": 1, "b": 1, "q": "1"}


class Special(BaseModel):
    a: int = 0


@pytest.mark.parametrize(
    ("parameter", "repeated"),
    [
        (Annotated[int, Query()], False),
        (Annotated[int | None, Query(ge=1)], False),
        (Annotated[datetime, Query()], False),
        (Annotated[int, Query(default_factory=int)], True),
        (Annotated[int, AfterValidator(lambda value: value), Query()], True),
        (Annotated[int, Predicate(lambda value: True), Query()], False),
        (Annotated[list[int], Query()], True),
        (Annotated[Special, Query()], True),
        (Annotated[Json[int], Query()], True),
    ],
)
def test_what_runs_code_of_the_users_is_solved_at_each_appearance(recorded, parameter, repeated):
    """As in FastAPI, where only the call itself is cached."""

    async def dependency(value): ...

    dependency.__annotations__["value"] = parameter

    async def endpoint(a=Depends(dependency), b=Depends(dependency)): ...

    plan_of(endpoint)
    assert ("skip" not in recorded.outline()) is repeated


def test_a_dependency_that_is_not_cached_is_never_skipped(recorded):
    async def outer(value=Depends(leaf, use_cache=False)): ...

    async def endpoint(a=Depends(outer), b=Depends(leaf, use_cache=False)): ...

    plan_of(endpoint)
    assert "skip" not in recorded.outline()


def test_an_endpoint_may_be_a_dependency_too(recorded):
    async def endpoint(x: int): ...

    plan_of(endpoint, dependencies=[Depends(endpoint)])
    assert recorded.outline() == ["skip", "query x", "call endpoint", "query x"]


# ---- Calls ----


def function(): ...


async def coroutine(): ...


def generator():
    yield


async def async_generator():
    yield


@pytest.mark.parametrize(
    ("call", "limit", "kind", "opens"),
    [
        (function, None, "thread", False),
        (coroutine, None, "coroutine", False),
        (generator, None, "context", True),
        (async_generator, None, "async generator", True),
        (function, 2, "coroutine", False),
        (coroutine, 2, "coroutine", False),
        (generator, 2, "context", True),
        (async_generator, 2, "context", True),
    ],
)
def test_how_each_kind_is_called(recorded, call, limit, kind, opens):
    async def endpoint(a=Depends(call, max_concurrency=limit)): ...

    plan_of(endpoint)
    op = recorded.find("CallOp", parent=0)
    assert op["kind"] == kind
    assert (op["open_context"] is not None) is opens
    assert op["function_scope"] is False


def test_function_scope(recorded):
    async def endpoint(a=Depends(generator, scope="function")): ...

    plan_of(endpoint)
    assert recorded.find("CallOp", parent=0)["function_scope"] is True


# ---- Parameters ----


@pytest.mark.parametrize(
    ("annotation", "shortcut"),
    [
        (Annotated[str, Query()], ("string", 0, 2**63 - 1)),
        (Annotated[str | None, Query()], ("string", 0, 2**63 - 1)),
        (Annotated[str, Query(min_length=2, max_length=5)], ("string", 2, 5)),
        (Annotated[str, Query(pattern="a")], ("", 0, 0)),
        (Annotated[int, Query()], ("integer", -(2**63) + 1, 2**63 - 1)),
        (Annotated[int, Query(ge=1, lt=10)], ("integer", 1, 9)),
        (Annotated[int | None, Query(gt=1, le=10)], ("integer", 2, 10)),
        (Annotated[int, Query(multiple_of=2)], ("", 0, 0)),
        (Annotated[int, Query(strict=True)], ("", 0, 0)),
        (Annotated[int, Query(ge=2**64)], ("", 0, 0)),
        (Annotated[float, Query()], ("", 0, 0)),
        (Annotated[bool, Query()], ("", 0, 0)),
        (Annotated[str, AfterValidator(str.upper), Query()], ("", 0, 0)),
        (Annotated[list[str], Query()], ("", 0, 0)),
    ],
    ids=str,
)
def test_what_needs_no_pydantic(recorded, annotation, shortcut):
    async def endpoint(q): ...

    endpoint.__annotations__["q"] = annotation
    plan_of(endpoint)
    op = recorded.find("FieldOp", names=("q",))
    assert (op["shortcut"], op["low"], op["high"]) == shortcut


def test_headers_share_an_index(recorded):
    async def other(x_token: Annotated[str, Header()]): ...

    async def endpoint(
        a=Depends(other),
        x_token=Header(),
        X_More=Header(alias="X-More"),
        under_score=Header(convert_underscores=False),
    ): ...

    plan_of(endpoint)
    assert recorded.plan["header_index"] == {b"x-token": 0, b"x-more": 1, b"under_score": 2}


def test_no_header_no_index(recorded):
    plan_of(leaf)
    assert recorded.plan["header_index"] is None


@pytest.mark.parametrize(
    ("default", "copied"),
    [
        ("x", False),
        (5, False),
        (None, False),
        ((1, 2), True),
        ([1], True),
        ({}, True),
        (datetime.min, False),
        (int, False),
    ],
)
def test_only_what_can_change_is_copied(recorded, default, copied):
    async def endpoint(q: Any = Query(default)): ...

    plan_of(endpoint)
    assert recorded.find("FieldOp", names=("q",))["copy_default"] is copied


def test_scopes_reach_those_who_ask():
    async def who(scopes: SecurityScopes):
        return scopes.scopes

    async def theirs(scopes: fastapi_security.SecurityScopes):
        return scopes.scopes

    async def outer(a=Security(who, scopes=["b"]), b=Security(theirs, scopes=["c", "a"])):
        return a, b

    async def endpoint(a=Security(outer, scopes=["a"]), b=Depends(who)): ...

    assert arguments(plan_of(endpoint)) == {"a": (["a", "b"], ["a", "c"]), "b": []}


@pytest.mark.parametrize("connection", ["websocket", "http"])
def test_specials_of_the_other_protocol_are_left_out(recorded, connection):
    async def endpoint(websocket: WebSocket = None, request: Request = None, both: HTTPConnection = None): ...

    dependant, _, _ = get_endpoint_dependant(path="/", call=endpoint, dependencies=())
    make_plan(dependant, connection=connection)
    names = recorded.find("CallOp", parent=-1)["arguments"]
    assert set(names) == {"both", "websocket" if connection == "websocket" else "request"}


def test_a_response_and_tasks_of_the_connection():
    async def dependency(response: Response, tasks: BackgroundTasks):
        response.headers["x"] = "y"
        return response, tasks

    async def endpoint(a=Depends(dependency), *, response: Response, tasks: BackgroundTasks): ...

    plan = plan_of(endpoint)
    frame = solved(plan)
    values = frame.endpoint_arguments()
    assert values["a"] == (values["response"], values["tasks"]) == (frame.response, frame.background_tasks)
    assert dict(frame.response.headers) == {"x": "y"} and frame.response.status_code is None
    assert frame_for(plan).response is not frame.response


# ---- Overrides ----


def test_overrides_replace_what_is_called_and_what_it_needs(recorded):
    async def replacement(z: str):
        return z

    async def endpoint(a=Depends(middle)): ...

    plan = plan_of(endpoint, overrides={leaf: replacement})
    assert recorded.outline() == ["skip", "skip", "query z", "call replacement", "query y", "call middle"]
    assert arguments(plan, "/?z=Z&y=1") == {"a": "Z"}


def test_an_override_that_cannot_be_analysed_fails_in_its_place():
    calls = []

    async def first():
        calls.append("first")

    def broken(websocket: WebSocket | None): ...

    async def endpoint(a=Depends(first), b=Depends(leaf)): ...

    plan = plan_of(endpoint, overrides={leaf: broken})
    for _ in range(2):
        frame = frame_for(plan)
        with pytest.raises(FastAPIError, match="Invalid args for response field"):
            finish_anyway(frame.solve())
    assert calls == ["first", "first"]


def test_an_override_keeps_the_scopes_of_its_place():
    async def original(): ...

    async def replacement(scopes: SecurityScopes):
        return scopes.scopes

    async def endpoint(a=Security(original, scopes=["x"])): ...

    assert arguments(plan_of(endpoint, overrides={original: replacement})) == {"a": ["x"]}


# ---- Body parameters on a WebSocket ----


class Model(BaseModel):
    a: int


BODIES = [
    ("Body", Annotated[int, Body()]),
    ("Body", Model),
    ("Body", dict[str, int]),
    ("Form", Annotated[str, Form()]),
    ("File", Annotated[bytes, File()]),
]


@pytest.mark.parametrize(("kind", "annotation"), BODIES)
def test_a_required_body_is_refused_where_it_is_declared(kind, annotation):
    async def endpoint(websocket: WebSocket, thing): ...

    endpoint.__annotations__["thing"] = annotation
    app = App(openapi_url=None)
    with pytest.raises(
        FastAPIError, match=f"Required parameter 'thing' of the WebSocket route '/x' is a {kind}"
    ) as caught:
        app.websocket("/x")(endpoint)
    for advice in ("Query()", "Header()", "Cookie()", "first message"):
        assert advice in str(caught.value)
    assert app.routes == []


def test_also_deep_in_the_tree():
    async def deep(thing: Model): ...

    async def outer(a=Depends(deep)): ...

    async def endpoint(websocket: WebSocket): ...

    with pytest.raises(FastAPIError, match="Required parameter 'thing'"):
        App().websocket("/", dependencies=[Depends(outer)])(endpoint)


def test_one_with_a_default_warns_once_and_has_it():
    async def endpoint(websocket: WebSocket, thing: Model | None = None, other: Annotated[int, Body()] = 5):
        seen.append((thing, other))

    seen = []
    app = App(openapi_url=None)
    with pytest.warns(UserWarning, match="always have its default") as caught:
        app.websocket("/")(endpoint)
    assert len(caught) == 2
    route = app.routes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            assert arguments(make_plan(route.dependant))["other"] == 5


def test_nothing_to_refuse():
    refuse_body([], "/")


def test_path_parameters_need_no_marker():
    assert arguments(plan_of(leaf, path="/{x}"), path_params={"x": 3}) == {"x": 3}

    async def marked(x: Annotated[int, Path(gt=5)]): ...

    assert solved(plan_of(marked, path="/{x}"), path_params={"x": 3}).errors[0]["loc"] == ("path", "x")
