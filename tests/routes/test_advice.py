"""Mistakes in declarations: each a warning with function, file and line, and everything else as FastAPI has it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from functools import partial, wraps
from typing import Annotated, Any

import pytest
from starlette.requests import HTTPConnection

from wirefast import APIRouter, App, Depends, Header, Request, WebSocket
from wirefast.exceptions import DeclarationWarning
from wirefast.testclient import TestClient

HERE = __file__


def advice(declare: Callable[[Any], Any], make: Callable[[], Any] = App) -> list[str]:
    """The texts of what is said while something is declared."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        declare(make())
    assert all(item.category is DeclarationWarning and item.filename == HERE for item in caught)
    return [str(item.message) for item in caught]


def line_of(function: Any) -> str:
    return f"{function.__qualname__}() in {HERE}, line {function.__code__.co_firstlineno}: "


async def good(websocket: WebSocket) -> None: ...


def plain(websocket: WebSocket): ...


async def with_request(request: Request) -> None: ...


async def unannotated(websocket): ...


async def without_the_room(websocket: WebSocket) -> None: ...


@pytest.mark.parametrize("make", [App, APIRouter])
@pytest.mark.parametrize(
    ("path", "endpoint", "said"),
    [
        ("/x", plain, "a socket's endpoint is a coroutine function; write async def"),
        ("/x", with_request, "a socket has no Request, so 'request' is missing in each call; write request: WebSocket"),
        (
            "/x",
            unannotated,
            "'websocket' has no annotation, so it is a required query parameter; "
            "write websocket: WebSocket for the socket",
        ),
        ("x", good, "the path 'x' matches no request; begin it with a slash: '/x'"),
        ("/x{a", good, "a brace in the path '/x{a' is no parameter's; write {name} or {name:convertor}"),
        ("/x/{a b}", good, "a brace in the path '/x/{a b}' is no parameter's; write {name} or {name:convertor}"),
        ("/{room}", without_the_room, "the path '/{room}' has a parameter that is not taken: 'room'"),
        (
            "/{room}/{a:int}",
            without_the_room,
            "the path '/{room}/{a:int}' has a parameter that is not taken: 'a', 'room'",
        ),
    ],
)
def test_a_mistake_is_told_where_it_stands(make: Any, path: str, endpoint: Any, said: str) -> None:
    assert advice(lambda app: app.websocket(path)(endpoint), make) == [line_of(endpoint) + said]
    assert advice(lambda app: app.add_api_websocket_route(path, endpoint), make) == [line_of(endpoint) + said]


def test_the_name_that_was_meant() -> None:
    async def wrong(websocket: WebSocket, room: int, rome_id: int, id: str, other: str) -> None: ...

    def said(path: str) -> str:
        (text,) = advice(lambda app: app.websocket(path)(wrong))
        return text.removeprefix(line_of(wrong))

    not_taken = "the path '/{}' has a parameter that is not taken: "
    assert said("/{room_id}") == (
        not_taken.format("{room_id}") + "'room_id'; 'rome_id' is a query parameter; did you mean 'room_id'?"
    )
    assert (
        said("/{rooms}") == not_taken.format("{rooms}") + "'rooms'; 'room' is a query parameter; did you mean 'rooms'?"
    )
    assert said("/{user_id}") == (
        not_taken.format("{user_id}") + "'user_id'; 'id' is a query parameter; did you mean 'user_id'?"
    )
    assert said("/{zz}") == not_taken.format("{zz}") + "'zz'"


def test_the_whole_name_of_a_word() -> None:
    async def wrong(websocket: WebSocket, user: int, id: str) -> None: ...

    (text,) = advice(lambda app: app.websocket("/{group}/{account_id}")(wrong))
    assert text.endswith("'account_id', 'group'; 'id' is a query parameter; did you mean 'account_id'?")


def test_the_name_that_a_handler_meant() -> None:
    async def joined(websocket: WebSocket, room: int) -> None: ...

    async def counted(websocket: WebSocket, limit: int = 1) -> None: ...

    async def taken(websocket: WebSocket, room_id: int, room: int = 0) -> None: ...

    async def taken_before(room_id: int) -> None: ...

    async def by_hand(websocket: WebSocket) -> None:
        print(websocket.path_params["room_id"])

    def told(path: str, *handlers: Any, before: Any = None, end: Any = None) -> list[str]:
        app = App()
        messages = app.messages(path, dependencies=[Depends(before)] if before else [])
        for handler in handlers:
            messages.on_connect(handler)
        if end:
            messages.on_disconnect(end)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with TestClient(app):
                pass
        return [str(each.message) for each in caught if each.category is DeclarationWarning]

    assert told("/rooms/{room_id}", joined) == [
        line_of(joined) + "'room' is a query parameter; did you mean 'room_id'?"
    ]
    assert told("/rooms/{room_id}", counted) == []
    assert told("/rooms/{room_id}", taken) == []
    assert told("/rooms", joined) == []
    assert told("/rooms/{room_id}", joined, before=taken_before) == []
    assert told("/rooms/{room_id}", joined, before=by_hand) == []
    assert told("/rooms/{room_id}", joined, end=by_hand) == []


def test_a_warning_that_is_an_error_ends_the_start() -> None:
    """A server would take an exception alone for an application without a lifespan, and serve."""
    app = App()

    @app.messages("/rooms/{room_id}").on_connect
    async def joined(websocket: WebSocket, room: int) -> None: ...

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DeclarationWarning):
            asyncio.run(app({"type": "lifespan", "state": {}}, receive, send))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "did you mean 'room_id'?" in sent[0]["message"]


def test_one_endpoint_is_one_warning() -> None:
    def wrong(websocket): ...

    (text,) = advice(lambda app: app.websocket("/{room}")(wrong))
    assert text == line_of(wrong) + (
        "a socket's endpoint is a coroutine function; write async def; "
        "'websocket' has no annotation, so it is a required query parameter; "
        "write websocket: WebSocket for the socket; "
        "the path '/{room}' has a parameter that is not taken: 'room'"
    )


@pytest.mark.parametrize("make", [App, APIRouter])
def test_parentheses_are_missing(make: Any) -> None:
    (text,) = advice(lambda app: app.websocket(good), make)
    assert text == line_of(good) + 'nothing was declared; write @app.websocket("/path") with parentheses and a path'


def test_what_an_earlier_route_hides() -> None:
    async def later(websocket: WebSocket) -> None: ...

    async def read() -> None: ...

    async def read_again() -> None: ...

    def declare(app: Any) -> None:
        app.websocket("/x")(good)
        app.get("/x")(read)
        app.post("/x")(read_again)
        app.websocket("/x")(later)
        app.api_route("/x", methods=["GET", "PUT"])(read_again)

    first, second = advice(declare)
    said = "the route '/x' is declared already, and only the first is used: "
    assert first == line_of(later) + said + line_of(good).removesuffix(": ")
    assert second == line_of(read_again) + said + line_of(read).removesuffix(": ")


def test_prefixes_count() -> None:
    def declare(router: Any) -> None:
        router.websocket("/x")(good)
        router.websocket("/y")(good)
        router.websocket("")(good)

    assert advice(declare, partial(APIRouter, prefix="/a")) == []
    assert advice(lambda router: router.websocket("y")(good), partial(APIRouter, prefix="/a")) == []


async def from_the_scope(websocket: WebSocket) -> None:
    websocket.path_params["room"]


async def room_of(connection: HTTPConnection) -> str:
    return str(connection.path_params["room"])


async def by_a_dependency(websocket: WebSocket, room: Annotated[str, Depends(room_of)]) -> None: ...


async def taken_below(room: str) -> str:
    return room


async def by_a_parameter_below(websocket: WebSocket, found: Annotated[str, Depends(taken_below)]) -> None: ...


async def no_socket_at_all(room: str, agent: Annotated[str, Header()]) -> None: ...


def wrapped(function: Any) -> Any:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Handler:
    async def __call__(self, websocket: WebSocket, room: str) -> None: ...


async def with_more(word: str, websocket: WebSocket, room: str) -> None: ...


@pytest.mark.parametrize(
    "endpoint",
    [
        from_the_scope,
        by_a_dependency,
        by_a_parameter_below,
        no_socket_at_all,
        wrapped(from_the_scope),
        Handler(),
        partial(with_more, "word"),
        lambda websocket, room="x": with_more("word", websocket, room),
    ],
)
def test_what_works_is_left_alone(endpoint: Any) -> None:
    assert advice(lambda app: app.websocket("/{room}")(endpoint)) == [] or "lambda" in repr(endpoint)


def test_a_thousand_routes_cost_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths are looked up; only a repeated one is searched for, and one that was removed is forgotten."""
    searched: list[str] = []
    monkeypatch.setattr("wirefast.routing.advise_of_repetition", lambda routes, path, *_: searched.append(path))
    router = APIRouter()
    for number in range(1000):
        router.websocket(f"/{number}")(good)
    assert not searched
    router.websocket("/7")(good)
    assert searched == ["/7"]
    router.routes.clear()
    router.websocket("/8")(good)
    assert searched == ["/7"] and router.routes._paths == {"/8"}  # type: ignore[attr-defined]


def test_paths_of_callbacks_and_webhooks_are_no_paths() -> None:
    def declare(app: Any) -> None:
        callbacks = APIRouter()
        callbacks.post("{$callback_url}/paid")(good)
        app.webhooks.post("paid")(good)
        app.post("/orders", callbacks=callbacks.routes)(good)

    assert advice(declare) == []
    (text,) = advice(lambda app: app.get("orders")(good))
    assert text == line_of(good) + "the path 'orders' matches no request; begin it with a slash: '/orders'"


def test_depends_with_parentheses() -> None:
    async def user() -> str:
        return "ann"

    def number() -> int:
        return 1

    app = App()
    for given, shown in ((user(), "coroutine object"), (number(), "1 ")):

        async def endpoint(websocket: WebSocket, x: Any = Depends(given)) -> None: ...  # noqa: B008

        with pytest.raises(TypeError, match=f"{shown}.*is not a callable object") as caught:
            app.websocket("/x")(endpoint)
        said = [
            f"Depends() of the parameter 'x' of {line_of(endpoint)[:-2]} takes the function itself: "
            "leave out the parentheses behind it.",
            f"Declared by {line_of(endpoint)[:-2]} for the path '/x'.",
        ]
        assert getattr(caught.value, "__notes__", said) == said
