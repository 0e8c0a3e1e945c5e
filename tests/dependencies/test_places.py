"""A place of parameters that wirefast does not have is one line here and one class: nothing else knows the places."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from asgi import connect
from wirefast import App, Depends, WebSocket
from wirefast.dependencies.places import PLACES, Place
from wirefast.params import Param
from wirefast.testclient import TestClient


class Session(Param):
    in_ = SimpleNamespace(value="session")  # type: ignore[assignment]


class Visitor(BaseModel):
    name: str
    visits: int = 0


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLACES, "session", Place(lambda connection: connection.scope["session"]))


async def visits_of(visits: Annotated[int, Session()]) -> int:
    return visits + 1


def application(stored: dict[str, Any]) -> Any:
    app = App()

    @app.get("/")
    async def read(
        name: Annotated[str, Session()],
        more: Annotated[int, Depends(visits_of)],
        color: Annotated[str, Session()] = "red",
    ) -> dict[str, Any]:
        return {"name": name, "more": more, "color": color}

    @app.websocket("/")
    async def talk(websocket: WebSocket, visitor: Annotated[Visitor, Session()]) -> None:
        await websocket.accept()
        await websocket.send_json(visitor.model_dump())

    room = app.messages("/messages")

    @room.on("hello")
    async def hello(name: Annotated[str, Session()], text: str) -> str:
        return f"{name}: {text}"

    async def with_session(scope: Any, receive: Any, send: Any) -> None:
        scope["session"] = stored
        await app(scope, receive, send)

    return with_session


def test_single_values_groups_and_messages() -> None:
    client = TestClient(application({"name": "ann", "visits": "7"}))
    assert client.get("/").json() == {"name": "ann", "more": 8, "color": "red"}
    with client.websocket_connect("/") as websocket:
        assert websocket.receive_json() == {"name": "ann", "visits": 7}
    with client.websocket_connect("/messages") as websocket:
        websocket.send_json({"type": "hello", "text": "hi"})
        assert websocket.receive_text() == "ann: hi"


def test_errors_name_the_place() -> None:
    client = TestClient(application({"visits": "many"}))
    errors = client.get("/").json()["detail"]
    assert sorted((error["type"], *error["loc"]) for error in errors) == [
        ("int_parsing", "session", "visits"),
        ("missing", "session", "name"),
    ]
    assert connect(application({}), "/").sent[0]["type"] != "websocket.accept"


def test_the_document_has_only_what_openapi_knows() -> None:
    app = App()

    @app.get("/")
    async def read(name: Annotated[str, Session()], page: int = 1) -> None: ...

    parameters = app.openapi()["paths"]["/"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["page"]
