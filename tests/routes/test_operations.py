"""APIRoute: what it makes of a declaration, and what it answers, alone and under includes."""

import asyncio
import functools
import re
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import Annotated, Any

import pytest
from fastapi.exceptions import FastAPIError as TheirError
from fastapi.routing import APIRoute as TheirRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match

from exchanges import ask, http_scope, respond
from wirefast import APIRouter, App, BackgroundTasks, Body, Depends, HTTPException
from wirefast.datastructures import Default
from wirefast.dependencies.models import endpoint_context
from wirefast.exceptions import FastAPIError, RequestValidationError, ResponseValidationError
from wirefast.routes.http import APIRoute
from wirefast.sse import EventSourceResponse, ServerSentEvent


class Item(BaseModel):
    name: str
    price: float = 1.5


class Unknown:
    """A type that pydantic has no schema for."""


async def read_item(item_id: int) -> Item:
    """Read it.

    In full.\f
    Not shown.
    """
    return Item(name=f"item {item_id}")


def test_attributes_of_a_declaration():
    route = APIRoute("/items/{item_id}", read_item, methods=["get", "POST"], tags=["items"])
    assert route.methods == {"GET", "POST"}
    assert (route.name, route.path_format, route.status_code) == ("read_item", "/items/{item_id}", None)
    assert route.description == "Read it.\n\nIn full."
    assert route.response_model is Item and route.response_field is not None
    assert route.response_field.name == f"Response_{route.unique_id}"
    assert route.body_field is None and route.stream_item_field is None
    assert [field.name for field in route.dependant.path_params] == ["item_id"]
    assert repr(route) == "APIRoute(path='/items/{item_id}', name='read_item', methods=['GET', 'POST'])"


def test_status_code_of_an_enumeration_is_a_number():
    class Status(IntEnum):
        TEAPOT = 418

    assert type(APIRoute("/", read_item, status_code=Status.TEAPOT).status_code) is int


@pytest.mark.parametrize(
    "annotation, model",
    [(Item, Item), (list[Item], list[Item]), (Response, None), (PlainTextResponse, None), (None, None)],
)
def test_response_model_is_the_return_annotation(annotation: Any, model: Any):
    async def endpoint():
        return None

    endpoint.__annotations__["return"] = annotation
    assert APIRoute("/", endpoint).response_model == model
    assert APIRoute("/", endpoint, response_model=None).response_field is None


def test_item_type_of_a_stream():
    async def items() -> AsyncIterator[Item]:
        yield Item(name="a")

    async def events() -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent()

    lines = APIRoute("/", items)
    assert (lines.is_json_stream, lines.is_sse_stream, lines.stream_item_type) == (True, False, Item)
    assert lines.response_model is None
    of_items = APIRoute("/", items, response_class=EventSourceResponse)
    assert (of_items.is_json_stream, of_items.is_sse_stream, of_items.stream_item_type) == (False, True, Item)
    assert APIRoute("/", events, response_class=EventSourceResponse).stream_item_type is None


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"endpoint": "no function"}, AssertionError, "An endpoint must be a callable"),
        ({"status_code": 204}, AssertionError, "Status code 204 must not have a response body"),
        ({"responses": {304: {"model": Item}}}, AssertionError, "Status code 304 must not have a response body"),
        ({"responses": {404: Item}}, AssertionError, "An additional response must be a dict"),
        ({"response_model": Unknown}, FastAPIError, "Invalid args for response field!"),
        ({"max_body_size": -1}, ValueError, "max_body_size must be a non-negative integer or None"),
        ({"form_limits": {"max_fiels": 1}}, ValueError, "max_fiels"),
        ({"colour": "red"}, TypeError, "colour"),
    ],
)
def test_wrong_declarations(options: dict[str, Any], error: type[Exception], text: str):
    # The message is FastAPI's where FastAPI has one.
    for route_class in (APIRoute, TheirRoute):
        theirs = TheirError if error is FastAPIError else error
        with pytest.raises(error if route_class is APIRoute else theirs, match=re.escape(text)):
            route_class("/", **{"endpoint": read_item, **options})


def test_methods():
    route = APIRoute("/items/{item_id}", read_item)
    assert respond(route, "GET", "/items/3").json == {"name": "item 3", "price": 1.5}
    refused = respond(route, "PUT", "/items/3")
    assert (refused.status, refused.headers["allow"], refused.body) == (405, "GET", b"Method Not Allowed")
    # HEAD is an operation of its own, as in FastAPI.
    assert respond(route, "HEAD", "/items/3").status == 405
    match, child_scope = route.matches(http_scope("POST", "/items/3"))
    assert match is Match.PARTIAL and child_scope["route"] is route


def test_405_inside_an_application_goes_to_its_handlers():
    app = App()
    app.get("/items/{item_id}")(read_item)

    @app.exception_handler(405)
    async def refused(request: Request, exc: HTTPException) -> Response:
        return PlainTextResponse("no", status_code=405, headers=exc.headers)

    answer = respond(app, "DELETE", "/items/3")
    assert (answer.status, answer.body, answer.headers["allow"]) == (405, b"no", "GET")


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, {"name": "a", "cost": 2.0, "note": None}),
        ({"response_model_include": {"name"}}, {"name": "a"}),
        ({"response_model_exclude": {"name"}}, {"cost": 2.0, "note": None}),
        ({"response_model_by_alias": False}, {"name": "a", "price": 2.0, "note": None}),
        ({"response_model_exclude_unset": True}, {"name": "a"}),
        ({"response_model_exclude_defaults": True}, {"name": "a"}),
        ({"response_model_exclude_none": True}, {"name": "a", "cost": 2.0}),
    ],
)
@pytest.mark.parametrize("response_class", [None, JSONResponse], ids=["bytes", "JSONResponse"])
def test_options_of_serialisation(options: dict[str, Any], expected: Any, response_class: Any):
    class Priced(BaseModel):
        name: str
        price: float = Field(default=2.0, serialization_alias="cost")
        note: str | None = None

    async def endpoint() -> Any:
        return Priced(name="a")

    if response_class is not None:
        options = {**options, "response_class": response_class}
    answer = respond(APIRoute("/", endpoint, response_model=Priced, **options), "GET", "/")
    assert answer.json == expected
    assert answer.headers["content-type"] == "application/json"


def test_a_result_that_is_no_instance_of_the_model():
    async def endpoint() -> Any:
        return {"price": "dear"}

    answer = respond(APIRoute("/items", endpoint, response_model=Item), "GET", "/items")
    assert isinstance(answer.raised, ResponseValidationError) and answer.messages == []
    assert [error["loc"] for error in answer.raised.errors()] == [("response", "name"), ("response", "price")]
    assert answer.raised.body == {"price": "dear"}
    assert answer.raised.endpoint_path == "GET /items" and answer.raised.endpoint_function == "endpoint"


def test_invalid_requests():
    async def endpoint(item: Item, page: int = 1) -> None: ...

    route = APIRoute("/items", endpoint, methods=["POST"])
    answer = respond(route, "POST", "/items?page=x", json_body={"price": "dear"}, scope={"root_path": "/api/"})
    assert isinstance(answer.raised, RequestValidationError)
    assert [error["loc"] for error in answer.raised.errors()] == [
        ("query", "page"), ("body", "name"), ("body", "price"),
    ]  # fmt: skip
    assert answer.raised.body == {"price": "dear"}
    assert answer.raised.endpoint_path == "POST /api/items"


@pytest.mark.parametrize("error", [RuntimeError, RecursionError])
def test_unreadable_bodies_are_400(error: type[Exception]):
    async def endpoint(item: Item) -> None: ...

    class Failing(Request):
        async def body(self) -> bytes:
            raise error("lost")

    class Route(APIRoute):
        def get_route_handler(self) -> Any:
            handler = super().get_route_handler()

            async def wrapped(request: Request) -> Response:
                return await handler(Failing(request.scope, request.receive))

            return wrapped

    answer = respond(Route("/", endpoint, methods=["POST"]), "POST", "/", json_body={})
    assert (answer.raised.status_code, answer.raised.detail) == (400, "There was an error parsing the body")


def test_malformed_json():
    async def endpoint(item: Item) -> None: ...

    headers = {"content-type": "application/json"}
    answer = respond(APIRoute("/", endpoint, methods=["POST"]), "POST", "/", body=b'{"name": nope}', headers=headers)
    assert answer.raised.errors() == [
        {
            "type": "json_invalid",
            "loc": ("body", 9),
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": "Expecting value"},
        }
    ]
    assert answer.raised.body == '{"name": nope}'


def test_handler_of_a_route_class():
    made = []

    class Timed(APIRoute):
        def get_route_handler(self) -> Any:
            made.append(self.path)
            handler = super().get_route_handler()

            @functools.wraps(handler)
            async def timed(request: Request) -> Response:
                response = await handler(request)
                response.headers["x-path"] = self.path
                return response

            return timed

    router = APIRouter(route_class=Timed, prefix="/items")
    router.get("/{item_id}")(read_item)
    app = App()
    app.include_router(router, prefix="/api")
    answer = respond(app, "GET", "/api/items/1")
    assert answer.json["name"] == "item 1" and answer.headers["x-path"] == "/api/items/{item_id}"
    assert made == ["/items/{item_id}", "/api/items/{item_id}"]


def test_included_merges_what_stands_above():
    def own() -> None: ...

    def outer() -> None: ...

    router = APIRouter(prefix="/items", tags=["router"], default_response_class=PlainTextResponse)
    router.get("/{item_id}", tags=["own"], dependencies=[Depends(own)], responses={404: {"description": "own"}})(
        read_item
    )
    app = App(responses={500: {"description": "app"}}, generate_unique_id_function=lambda route: f"id-{route.path}")
    app.include_router(
        router, prefix="/{tenant}", tags=["include"], dependencies=[Depends(outer)], deprecated=True, max_body_size=9
    )
    (original,) = router.routes
    ((declared, route),) = app.routes[-1].effective_routes()
    assert declared is original
    assert route.path == "/{tenant}/items/{item_id}"
    assert route.tags == ["include", "router", "own"]
    assert [depends.dependency for depends in route.dependencies] == [outer, own]
    assert route.responses == {500: {"description": "app"}, 404: {"description": "own"}}
    assert (route.deprecated, route.max_body_size, route.unique_id) == (True, 9, f"id-{route.path}")
    assert route.response_class is PlainTextResponse
    assert route.dependency_overrides_provider is app
    # The model is analysed once.
    assert route.response_field.type_adapter is original.response_field.type_adapter
    assert (original.deprecated, original.max_body_size, original.path) == (None, None, "/items/{item_id}")


def test_adopted_from_fastapi():
    theirs = TheirRoute("/items/{item_id}", read_item, status_code=201, response_model_exclude={"price"})
    route = APIRoute.adopted(theirs)
    assert isinstance(route.response_class, type(Default(None)))
    answer = respond(route, "GET", "/items/1")
    assert (answer.status, answer.json) == (201, {"name": "item 1"})


def test_body_field_describes_the_whole_body():
    async def single(item: Item) -> None: ...

    async def several(item: Item, other: Annotated[Item | None, Body()] = None) -> None: ...

    assert APIRoute("/", single, methods=["POST"]).body_field.field_info.annotation is Item
    route = APIRoute("/", several, methods=["POST"])
    field = route.body_field
    assert field.name == "body" and field.field_info.annotation.__name__ == f"Body_{route.unique_id}"
    assert list(field.field_info.annotation.model_fields) == ["item", "other"]
    assert field is route.body_field


def test_endpoint_context_of_a_callable_without_source():
    route = APIRoute("/", functools.partial(read_item, 3), name="partial")
    assert endpoint_context(route.dependant, "GET", {"root_path": ""}) == {"path": "GET /"}


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_background_tasks_run_after_the_response(kind: str):
    events: list[str] = []

    async def coroutine(tasks: BackgroundTasks) -> str:
        tasks.add_task(events.append, "task")
        return "done"

    def function(tasks: BackgroundTasks) -> str:
        tasks.add_task(events.append, "task")
        return "done"

    async def main() -> None:
        route = APIRoute("/", coroutine if kind == "coroutine" else function)

        async def send(message: Any) -> None:
            events.append(message["type"])

        await route.app(http_scope("GET", "/"), None, send)

    asyncio.run(main())
    assert events == ["http.response.start", "http.response.body", "task"]


def test_overrides_apply_at_once():
    def original() -> str:
        return "original"

    app = App()

    @app.get("/")
    async def endpoint(value: Annotated[str, Depends(original)]) -> str:
        return value

    async def main() -> None:
        assert (await ask(app, "GET", "/")).json == "original"
        app.dependency_overrides[original] = lambda: "override"
        assert (await ask(app, "GET", "/")).json == "override"
        app.dependency_overrides.clear()
        assert (await ask(app, "GET", "/")).json == "original"

    asyncio.run(main())
