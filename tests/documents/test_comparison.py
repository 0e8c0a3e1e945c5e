"""What breaks clients and what does not, one change at a time, in both kinds of documents and both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from wirefast import App, Depends, Query
from wirefast.documents.comparison.documents import IncomparableDocuments, find_breaks
from wirefast.documents.comparison.schemas import Comparison
from wirefast.security import HTTPBearer


def asyncapi(
    *,
    received: dict[str, Any] | None = None,
    sent: dict[str, Any] | None = None,
    path: str = "/rooms/{room_id}",
    tag: str = "say",
    parameter: Any = int,
    dependencies: Any = (),
    extra: Any = "ignore",
) -> dict[str, Any]:
    """A document of one socket with one message and its reply."""
    app = App()
    config = ConfigDict(extra=extra)
    message: Any = create_model(
        "Say", __config__=config, type=(Literal[tag], ...), **(received or {"text": (str, ...)})
    )  # type: ignore[valid-type]
    reply: Any = create_model("Said", type=(Literal["said"], "said"), **(sent or {"text": (str, ...)}))
    room = app.messages(path, dependencies=list(dependencies))

    async def say(message: Any, room_id: Any) -> Any: ...

    say.__annotations__.update({"message": message, "room_id": parameter, "return": reply})
    room.on(say)
    return app.asyncapi()


async def page(page: int) -> None: ...


async def optional_page(page: int = 1) -> None: ...


OLD = asyncapi()
T = "/rooms/{room_id}: the message 'say'"
R = "/rooms/{room_id}: the message 'said'"


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ({}, {}, []),
        ({}, {"path": "/room/{room_id}"}, ["/rooms/{room_id} is gone"]),
        ({}, {"tag": "tell"}, [f"{T} is not taken any more"]),
        ({}, {"received": {"text": (str, ...), "more": (int, ...)}}, [f"{T}.more is required now"]),
        ({}, {"received": {"text": (str, ...), "more": (int, 1)}}, []),
        ({}, {"received": {"text": (int, ...)}}, [f"{T}.text takes integer now, and took string"]),
        ({}, {"received": {"text": (str | int, ...)}}, []),
        ({"received": {"text": (str | int, ...)}}, {}, [f"{T}.text takes string now, and took integer"]),
        ({"received": {"n": (int, ...)}}, {"received": {"n": (float, ...)}}, []),
        (
            {"received": {"n": (float, ...)}},
            {"received": {"n": (int, ...)}},
            [f"{T}.n takes integer now, and took number"],
        ),
        (
            {},
            {"received": {"text": (Annotated[str, Field(max_length=5)], ...)}},
            [f"{T}.text has another maxLength: 5 in place of none"],
        ),
        ({"received": {"text": (Annotated[str, Field(max_length=5)], ...)}}, {}, []),
        (
            {"received": {"kind": (Literal["a", "b"], ...)}},
            {"received": {"kind": (Literal["a"], ...)}},
            [f'{T}.kind takes "a" now, and took "a" or "b"'],
        ),
        ({"received": {"kind": (Literal["a"], ...)}}, {"received": {"kind": (Literal["a", "b"], ...)}}, []),
        (
            {"received": {"text": (str, ...), "more": (int, 1)}, "extra": "forbid"},
            {"extra": "forbid"},
            [f"{T}.more is not taken any more"],
        ),
        (
            {"received": {"items": (list[int], ...)}},
            {"received": {"items": (list[str], ...)}},
            [f"{T}.items[] takes string now, and took integer"],
        ),
        ({}, {"sent": {"text": (str, ...), "more": (int, 1)}}, []),
        ({}, {"sent": {"other": (str, ...)}}, [f"{R}.text is gone"]),
        ({}, {"sent": {"text": (str | None, None)}}, [f"{R}.text may be null now, and was string"]),
        ({"sent": {"text": (str | None, None)}}, {}, []),
        ({"sent": {"n": (float, ...)}}, {"sent": {"n": (int, ...)}}, []),
        (
            {"sent": {"kind": (Literal["a"], "a")}},
            {"sent": {"kind": (Literal["a", "b"], "a")}},
            [f'{R}.kind may be "a" or "b" now, and was "a"'],
        ),
        (
            {"parameter": str},
            {"parameter": int},
            ["/rooms/{room_id}: the parameter 'room_id' takes integer now, and took string"],
        ),
        ({}, {"dependencies": [Depends(page)]}, ["/rooms/{room_id}: the query.page is required now"]),
        ({}, {"dependencies": [Depends(optional_page)]}, []),
        ({}, {"dependencies": [Depends(HTTPBearer())]}, ["/rooms/{room_id}: credentials are required now"]),
        ({"dependencies": [Depends(HTTPBearer())]}, {}, []),
    ],
)
def test_sockets(old: dict[str, Any], new: dict[str, Any], breaks: list[str]) -> None:
    assert find_breaks(asyncapi(**old), asyncapi(**new)) == breaks


def listened(name: str, kind: Any = int) -> dict[str, Any]:
    """A document of a socket whose messages have no tag."""
    app = App()

    async def listen(message: Any) -> Any: ...

    model = create_model(name, number=(kind, ...))
    listen.__annotations__.update({"message": model, "return": model})
    app.websocket_listener("/")(listen)
    return app.asyncapi()


def test_names_of_models_are_not_on_the_wire() -> None:
    assert find_breaks(listened("One"), listened("Other")) == []
    assert find_breaks(listened("One"), listened("Other", str)) == [
        "/: the message 'One'.number takes string now, and took integer",
        "/: the message 'One or error' may be Other or ErrorReply now, and was One or ErrorReply",
    ]


class Item(BaseModel):
    name: str


class Larger(BaseModel):
    name: str
    size: int


def openapi(declare: Callable[[App], Any]) -> dict[str, Any]:
    app = App()
    declare(app)
    return app.openapi()


def one(app: App) -> None:
    @app.post("/items/{item_id}")
    def add(item_id: int, item: Item, q: str = "") -> Item: ...


def other_body(app: App) -> None:
    @app.post("/items/{item_id}")
    def add(item_id: int, item: Larger, q: str = "") -> Larger: ...


def needs_query(app: App) -> None:
    @app.post("/items/{item_id}")
    def add(item_id: int, item: Item, q: Annotated[str, Query()]) -> Item: ...


def other_status(app: App) -> None:
    @app.post("/items/{item_id}", status_code=201, dependencies=[Depends(HTTPBearer())])
    def add(item_id: int, item: Item, q: str = "") -> Item: ...


def other_method(app: App) -> None:
    @app.put("/items/{item_id}")
    def add(item_id: int, item: Item) -> Item: ...


P = "POST /items/{item_id}"


@pytest.mark.parametrize(
    ("new", "breaks"),
    [
        (one, []),
        (other_body, [f"{P}: the body.size is required now"]),
        (needs_query, [f"{P}: query parameter 'q' is required now"]),
        (other_status, [f"{P}: credentials are required now", f"{P}: the response 200 is gone"]),
        (other_method, [f"{P} is gone"]),
        (lambda app: None, ["/items/{item_id} is gone"]),
    ],
)
def test_operations(new: Callable[[App], Any], breaks: list[str]) -> None:
    assert find_breaks(openapi(one), openapi(new)) == breaks


def test_a_response_that_lost_a_member() -> None:
    assert find_breaks(openapi(other_body), openapi(one)) == [f"{P}: the response 200.size is gone"]


def test_models_that_contain_themselves() -> None:
    tree: dict[str, Any] = {"type": "object", "properties": {"below": {"$ref": "#/s/Tree"}, "n": {"type": "integer"}}}
    old: dict[str, Any] = {"s": {"Tree": tree}}
    new: dict[str, Any] = {"s": {"Tree": {**tree, "properties": {**tree["properties"], "n": {"type": "string"}}}}}
    reference = {"$ref": "#/s/Tree"}
    assert list(Comparison(old, old).breaks("tree", reference, reference, "in")) == []
    assert list(Comparison(old, new).breaks("tree", reference, reference, "in")) == [
        "tree.n takes string now, and took integer"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [(OLD, openapi(one)), ({}, OLD), (OLD, {}), ({"asyncapi": "2.6.0"}, OLD)],
    ids=["kinds", "old", "new", "version"],
)
def test_documents_that_cannot_be_compared(old: dict[str, Any], new: dict[str, Any]) -> None:
    with pytest.raises(IncomparableDocuments):
        find_breaks(old, new)
