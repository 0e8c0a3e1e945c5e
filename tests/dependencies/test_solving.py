"""``solve_dependencies`` and its companions, as packages call them, beside FastAPI's."""

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated

import fastapi
import fastapi.dependencies.utils as theirs
import pytest
from pydantic import BaseModel
from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

import wirefast
import wirefast.dependencies.utils as ours

BOTH = pytest.mark.parametrize("utils", [theirs, ours], ids=["fastapi", "wirefast"])


class Item(BaseModel):
    name: str


class Message(Request):
    """What faststream makes of a broker's message: no bytes, but what a request answers."""

    def __init__(self, *, headers, values, body=None):
        self._headers, self._query_params, self._body, self._cookies = headers, values, body, {"session": "s"}
        self.scope = {"path_params": values}


def solve(utils, call, request=None, path="/", **options):
    async def run():
        async with AsyncExitStack() as stack, AsyncExitStack() as functions:
            connection = request or Message(headers={}, values={})
            connection.scope.update(fastapi_inner_astack=stack, fastapi_function_astack=functions)
            return await utils.solve_dependencies(
                request=connection,
                dependant=utils.get_dependant(path=path, call=call),
                async_exit_stack=stack,
                **{"embed_body_fields": False, **options},
            )

    return asyncio.run(run())


@BOTH
def test_what_the_request_answers_is_read(utils):
    f = {theirs: fastapi, ours: wirefast}[utils]

    def call(
        name: str,
        number: int,
        listed: Annotated[list[int], f.Query()],
        x_token: Annotated[str, f.Header()],
        session: Annotated[str, f.Cookie()],
        missing: int = 7,
    ): ...

    values = {"name": "n", "number": 5, "listed": [1, 2]}
    solved = solve(utils, call, Message(headers={"x-token": "t"}, values=values), path="/{name}")
    assert solved.errors == []
    assert solved.values == {**values, "x_token": "t", "session": "s", "missing": 7}
    solved = solve(utils, call, Message(headers={}, values={"name": "n", "number": "x", "listed": [1]}), path="/{name}")
    assert [error["loc"] for error in solved.errors] == [("query", "number"), ("header", "x-token")]


@BOTH
def test_a_body_that_is_given(utils):
    def one(item: Item): ...

    def two(item: Item, other: Item): ...

    assert solve(utils, one, body={"name": "a"}).values == {"item": Item(name="a")}
    embedded = {"item": {"name": "a"}, "other": {"name": "b"}}
    solved = solve(utils, two, body=embedded, embed_body_fields=True)
    assert solved.values == {"item": Item(name="a"), "other": Item(name="b")}
    for body in ({}, None):
        (error,) = solve(utils, one, body=body).errors
        assert error["loc"][0] == "body"
    assert solve(utils, one).errors[0]["type"] == "missing"


@BOTH
def test_what_is_injected_may_be_given(utils):
    tasks, response = BackgroundTasks(), Response(status_code=201)

    def call(given: BackgroundTasks, answer: Response):
        given.add_task(print)
        answer.headers["x"] = "y"

    f = {theirs: fastapi, ours: wirefast}[utils]

    def outer(tasks: BackgroundTasks, answer: Response, value=f.Depends(call)): ...  # noqa: B008

    solved = solve(utils, outer, background_tasks=tasks, response=response)
    assert solved.values["tasks"] is solved.background_tasks is tasks and len(tasks.tasks) == 1
    assert solved.values["answer"] is solved.response is response and response.headers["x"] == "y"
    solved = solve(utils, outer)
    assert len(solved.background_tasks.tasks) == 1 and solved.response.headers["x"] == "y"
    assert solved.response.status_code is None and "content-length" not in solved.response.headers
    solved = solve(utils, lambda: None)
    assert solved.background_tasks is None and isinstance(solved.response, Response)
    assert solve(utils, lambda: None, background_tasks=tasks).background_tasks is tasks


@BOTH
def test_results_are_kept_and_taken(utils):
    f = {theirs: fastapi, ours: wirefast}[utils]
    calls = []

    async def leaf():
        calls.append("leaf")
        return len(calls)

    def call(value=f.Depends(leaf), fresh=f.Depends(leaf, use_cache=False)): ...  # noqa: B008

    cache = {}
    first = solve(utils, call, dependency_cache=cache)
    assert first.values == {"value": 1, "fresh": 2} and first.dependency_cache is cache
    assert {key[0] for key in cache} == {leaf} and {key[2] for key in cache} == {""}
    again = solve(utils, call, dependency_cache=cache)
    assert again.values["value"] in cache.values() or again.values["value"] in (1, 2)
    assert len(calls) == 3


@BOTH
def test_a_socket(utils):
    def call(socket: WebSocket, number: int): ...

    scope = {"type": "websocket", "path": "/", "query_string": b"number=3", "headers": [], "path_params": {}}
    solved = solve(utils, call, WebSocket(scope, None, None))
    assert solved.values["number"] == 3 and isinstance(solved.values["socket"], WebSocket)


@BOTH
def test_the_companions_are_there(utils):
    def call(item: Item, other: Item): ...

    fields = utils._get_flat_body_params(utils.get_dependant(path="/", call=call))
    assert [field.name for field in fields] == ["item", "other"]
    whole = utils._get_body_field(body_params=fields, name="x", embed_body_fields=True)
    assert whole.field_info.annotation.__name__ == "Body_x"
    assert utils._get_body_field(body_params=[], name="x", embed_body_fields=True) is None
    assert utils.lenient_issubclass(Item, BaseModel) and not utils.lenient_issubclass(list[int], BaseModel)
