"""The AsyncAPI document: what each declaration becomes, and that it is valid for the examples."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from asyncapi_checks import check
from pydantic import BaseModel, ConfigDict, Field

from examples_here import EXAMPLES, forget_tables
from wirefast import APIRouter, App, Cookie, Depends, Header, Query, Security, WebSocket
from wirefast.security import APIKeyQuery, HTTPBearer, OAuth2AuthorizationCodeBearer, OAuth2PasswordBearer
from wirefast.testclient import TestClient


class Say(BaseModel):
    """Say something.

    To all.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "say", "text": "hi"}]})

    type: Literal["say"]
    text: Annotated[str, Field(max_length=20)]


class Shout(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["shout"] = "shout"
    level: tuple[int, str] = (1, "x")


class Said(BaseModel):
    type: Literal["said"] = "said"
    by: str = "nobody"
    after: Said | None = None


class Moved(BaseModel):
    type: Literal["joined", "left"]


def document_of(app: App) -> dict[str, Any]:
    document = app.asyncapi()
    check(document)
    return document


def chat() -> App:
    app, router = App(title="Chat", version="2", summary="Talk.", description="A *chat*."), APIRouter(tags=["rooms"])
    room = router.messages("/rooms/{room_id:int}", sends=Said | Moved, tags=["talk"], operation_id="room")

    @room.on_connect
    async def joined(room_id: int, token: Annotated[Any, Depends(HTTPBearer())]) -> Moved:
        """Enter a room."""
        return Moved(type="joined")

    @room.on
    async def say(message: Say, since: Annotated[int, Query(ge=0)] = 0, *, x_trace: Annotated[str, Header()]) -> Said:
        """Talk.
        \f
        Not for the public.
        """
        return Said()

    @room.on(operation_id="loud", summary="Be loud")
    async def shout(message: Shout, session: Annotated[str, Cookie()]) -> None: ...

    @room.on("order", "reorder")
    async def order(amount: int, note: str = "") -> Said: ...

    app.include_router(router, prefix="/v1", tags=["api"])
    return app


def test_a_route_of_messages() -> None:
    document = document_of(chat())
    assert document["asyncapi"] == "3.1.0"
    assert document["info"] == {"title": "Chat", "version": "2", "description": "Talk.\n\nA *chat*."}
    channel = document["channels"]["room"]
    assert channel["address"] == "/v1/rooms/{room_id}"
    assert channel["description"] == "Enter a room."
    assert channel["tags"] == [{"name": "api"}, {"name": "rooms"}, {"name": "talk"}]
    assert channel["parameters"] == {"room_id": {"x-schema": {"type": "integer", "title": "Room Id"}}}
    binding = channel["bindings"]["ws"]
    assert binding["query"]["properties"]["since"] == {"type": "integer", "minimum": 0, "default": 0, "title": "Since"}
    assert binding["headers"]["properties"]["x-trace"] == {"type": "string", "title": "X-Trace"}
    assert binding["headers"]["required"] == ["x-trace", "Cookie"]
    assert binding["x-cookies"]["properties"] == {"session": {"type": "string", "title": "Session"}}
    assert sorted(channel["messages"]) == ["Error", "Moved", "Said", "Say", "Shout", "order"]
    assert channel["x-tag"] == "type"
    say = channel["messages"]["Say"]
    assert (say["name"], say["title"], say["summary"]) == ("say", "Say", "Say something.")
    assert say["examples"] == [{"payload": {"type": "say", "text": "hi"}}]
    assert say["correlationId"] == {"$ref": "#/components/correlationIds/ref"}


def test_operations_and_replies() -> None:
    document = document_of(chat())

    def names(references: list[dict[str, str]]) -> list[str]:
        return [item["$ref"].rpartition("/")[2] for item in references]

    operations = document["operations"]
    assert sorted(operations) == ["loud", "room_order", "room_say", "room_send"]
    say = operations["room_say"]
    assert (say["action"], say["title"], say["description"]) == ("receive", "Say", "Talk.")
    assert names(say["messages"]) == ["Say"] and names(say["reply"]["messages"]) == ["Said", "Error"]
    assert say["security"] == [{"$ref": "#/components/securitySchemes/HTTPBearer"}]
    assert operations["loud"]["title"] == "Be loud"
    assert names(operations["loud"]["reply"]["messages"]) == ["Error"]
    assert operations["room_send"]["action"] == "send"
    assert sorted(names(operations["room_send"]["messages"])) == ["Moved", "Said"]


def test_payloads() -> None:
    document = document_of(chat())
    messages, schemas = document["channels"]["room"]["messages"], document["components"]["schemas"]
    # What is sent has its defaults, what is received may lack them.
    assert schemas["Said"]["required"] == ["type", "by", "after"]
    order = messages["order"]["payload"]
    assert order["properties"]["type"] == {"enum": ["order", "reorder"]}
    assert order["required"] == ["type", "amount"]
    # A model that refuses other members takes the ref all the same.
    shout = messages["Shout"]["payload"]
    assert shout["additionalProperties"] is False and "ref" in shout["properties"] and "required" not in shout
    assert shout["properties"]["level"]["items"] == [{"type": "integer"}, {"type": "string"}]
    assert schemas["Said"]["properties"]["after"]["anyOf"][0] == {"$ref": "#/components/schemas/Said"}
    assert schemas["ErrorReply"]["properties"]["type"] == {"const": "error"}


def test_plain_sockets() -> None:
    app = App()

    @app.websocket("/files/{path:path}", receives=Say | bytes, sends=str, summary="Files", deprecated=True)
    async def files(websocket: WebSocket, path: str) -> None:
        """Read files."""

    @app.websocket("/any")
    async def anything(websocket: WebSocket) -> None: ...

    @app.websocket("/hidden", include_in_schema=False)
    async def hidden(websocket: WebSocket) -> None: ...

    app.websocket_route("/plain/{number:int}")(anything)
    document = document_of(app)
    channels = document["channels"]
    assert sorted(channels) == ["any", "files_path", "plain_number"]
    assert channels["files_path"]["parameters"]["path"]["x-slashes"] is True
    assert channels["files_path"]["x-deprecated"] is True
    assert channels["files_path"]["messages"]["Text"]["contentType"] == "text/plain"
    assert channels["files_path"]["messages"]["Binary"]["payload"] == {"type": "string", "format": "binary"}
    assert "payload" not in channels["any"]["messages"]["Any"]
    assert channels["plain_number"]["parameters"]["number"]["x-schema"] == {"type": "integer", "minimum": 0}
    assert [document["operations"][f"any_{action}"]["action"] for action in ("receive", "send")] == ["receive", "send"]


def test_listeners_and_streams() -> None:
    app = App()

    @app.websocket_listener("/echo", operation_id="echo")
    async def mirror(data: list[int]) -> dict[str, int]: ...

    @app.websocket_stream("/ticks")
    async def ticks() -> AsyncIterator[Said]:
        """Count."""
        yield Said()

    document = document_of(app)
    assert set(document["operations"]) == {"echo_mirror", "ticks_ticks"}
    assert document["operations"]["ticks_ticks"]["action"] == "send"
    assert document["channels"]["ticks"]["description"] == "Count."
    assert "correlationId" not in document["channels"]["ticks"]["messages"]["Said"]
    assert "x-tag" not in document["channels"]["echo"] and "Error" in document["channels"]["echo"]["messages"]


def test_security() -> None:
    app = App()
    code = OAuth2AuthorizationCodeBearer("https://a.example/in", "https://a.example/token", scopes={"r": "Read"})
    password, key = OAuth2PasswordBearer("token", scheme_name="Password one"), APIKeyQuery(name="key")
    dependencies = [Security(code, scopes=["r"]), Depends(password), Depends(key)]

    @app.websocket("/", dependencies=dependencies)
    async def socket(websocket: WebSocket) -> None: ...

    document = document_of(app)
    schemes = document["components"]["securitySchemes"]
    assert schemes["OAuth2AuthorizationCodeBearer"]["flows"]["authorizationCode"]["availableScopes"] == {"r": "Read"}
    # AsyncAPI takes absolute addresses only.
    assert schemes["Password_one"]["type"] == "http" and "token" in schemes["Password_one"]["description"]
    assert schemes["APIKeyQuery"] == {"type": "httpApiKey", "name": "key", "in": "query"}
    first = document["operations"]["root_receive"]["security"][0]
    assert first["type"] == "oauth2" and first["scopes"] == ["r"]


def test_names_are_unique() -> None:
    app = App()
    for _ in range(2):
        room = app.messages("/a/b")

        @room.on("error")
        async def say(text: str) -> str: ...

    app.websocket("/a-b")(lambda websocket: None)
    document = document_of(app)
    assert list(document["channels"]) == ["a_b", "a_b_2", "a_b_3"]


def test_names_given_twice_and_names_that_no_reference_can_have() -> None:
    app, router = App(), APIRouter()
    room = router.messages("/room", operation_id="the/room#1")

    for tag in ("a", "b"):

        @room.on(tag)
        async def send(text: int) -> None: ...

    room.on("c", operation_id="a b")(lambda: None)
    app.include_router(router, prefix="/one")
    app.include_router(router, prefix="/two")
    document = document_of(app)
    assert {name: channel["address"] for name, channel in document["channels"].items()} == {
        "the_room_1": "/one/room", "the_room_1_2": "/two/room",
    }  # fmt: skip
    assert list(document["operations"]) == [
        "the_room_1_send", "the_room_1_send_2", "a_b", "the_room_1_2_send", "the_room_1_2_send_2", "a_b_2",
    ]  # fmt: skip


def test_numbers_that_json_has_not() -> None:
    class Far(BaseModel):
        type: Literal["far"] = "far"
        far: Annotated[float, Field(le=float("inf"), examples=[float("nan")])] = float("inf")

    app = App()
    app.websocket("/", receives=Far | list[Far])(lambda websocket: None)
    assert document_of(app)["components"]["schemas"]["Far"]["properties"]["far"] == {"title": "Far", "type": "number"}


def test_servers_and_information() -> None:
    servers = [
        {"url": "/relative"},
        {"url": "https://{place}.example/v1/", "description": "Live", "variables": {"place": {"default": "eu"}}},
    ]
    app = App(
        servers=servers,
        openapi_tags=[{"name": "a", "description": "A", "x-own": 1}],
        license_info={"name": "MIT", "identifier": "MIT"},
        contact={"name": "Ada", "email": "ada@example.com"},
        openapi_external_docs={"url": "https://example.com"},
    )
    document = document_of(app)
    assert document["servers"] == {
        "server1": {
            "host": "{place}.example",
            "protocol": "wss",
            "pathname": "/v1",
            "description": "Live",
            "variables": {"place": {"default": "eu"}},
        }
    }
    assert document["info"]["license"] == {"name": "MIT"}
    assert document["info"]["tags"] == [{"name": "a", "description": "A"}]


def test_types_without_a_schema() -> None:
    class Odd:
        pass

    class Holder(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        type: Literal["odd"] = "odd"
        odd: Odd

    app = App()

    @app.websocket("/", sends=Holder | Odd)
    async def socket(websocket: WebSocket) -> None: ...

    document = document_of(app)
    assert document["components"]["schemas"]["Holder"]["properties"]["odd"] == {"title": "Odd"}


def test_again_after_a_route_was_added() -> None:
    app = chat()
    first = app.asyncapi()
    assert app.asyncapi() is first
    room = app.messages("/more")
    second = app.asyncapi()
    assert "more" in second["channels"] and app.asyncapi() is second

    @room.on("x")
    async def x(n: int) -> None: ...

    assert "more_x" in app.asyncapi()["operations"]


def test_threads_ask_at_once() -> None:
    app, found = chat(), []
    threads = [threading.Thread(target=lambda: found.append(app.asyncapi())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(document) for document in found}) == 1


def test_served() -> None:
    app = chat()
    response = TestClient(app, root_path="/behind").get("/asyncapi.json", headers={"Host": "api.example:8443"})
    document = response.json()
    assert response.headers["content-type"] == "application/json"
    check(document)
    assert document.pop("servers") == {"this": {"host": "api.example:8443", "protocol": "ws", "pathname": "/behind"}}
    assert document == json.loads(json.dumps(app.asyncapi()))
    # A name that is no host is not repeated.
    assert "servers" not in TestClient(app).get("/asyncapi.json", headers={"Host": 'a"b'}).json()


def test_replaced_function() -> None:
    app = chat()
    app.asyncapi = lambda: {"asyncapi": "3.1.0", "own": True}  # type: ignore[method-assign]
    assert TestClient(app).get("/asyncapi.json").json()["own"] is True


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 200),
        ({"asyncapi_url": None}, 404),
        ({"openapi_url": None}, 404),
        ({"openapi_url": None, "asyncapi_url": "/asyncapi.json"}, 200),
    ],
)
def test_turned_off(options: dict[str, Any], status: int) -> None:
    assert TestClient(App(**options)).get("/asyncapi.json").status_code == status


def test_unknown_option() -> None:
    app = App()
    with pytest.raises(TypeError, match="unexpected keyword argument 'sumary'"):
        app.websocket("/", sumary="x")(lambda websocket: None)  # type: ignore[call-arg]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    if path.stem == "migration":
        pytest.importorskip("fastapi")
    forget_tables()
    spec = importlib.util.spec_from_file_location(f"described_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    apps = [value for value in vars(module).values() if isinstance(value, App)]
    # The store has no sockets.
    assert apps and all(bool(document_of(app)["channels"]) is (path.stem != "store") for app in apps)


def test_places_of_a_token() -> None:
    class Bearer(HTTPBearer):
        """A scheme that says where else the token may stand."""

        sources = ("header", "subprotocol", "cookie", "query")
        cookie, query, subprotocols = "session", "ticket", ("chat",)

    app = App()

    @app.websocket("/", dependencies=[Depends(Bearer())])
    async def socket(websocket: WebSocket) -> None: ...

    assert document_of(app)["components"]["securitySchemes"]["Bearer"] == {
        "type": "http",
        "scheme": "bearer",
        "x-sources": ["header", "subprotocol", "cookie", "query"],
        "x-cookie": "session",
        "x-query": "ticket",
        "x-subprotocols": ["chat"],
    }
