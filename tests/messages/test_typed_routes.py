"""Typed routes as routes: what replies leave out, overrides, names and paths, middleware, Origin."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from starlette.routing import NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast import APIRouter, App, Depends, WebSocket
from wirefast.testclient import TestClient
from wirefast.testing import Live


class Ask(BaseModel):
    type: str = "ask"
    text: str = ""


class Part(BaseModel):
    kept: int = 1
    secret: str = "s"


class Answer(BaseModel):
    type: str = "answer"
    long_name: Annotated[int, Field(alias="longName")] = 0
    text: str | None = None
    part: Part = Part()

    model_config = {"populate_by_name": True}


WHOLE = {"type": "answer", "longName": 0, "text": None, "part": {"kept": 1, "secret": "s"}}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, WHOLE),
        ({"response_model_exclude_none": True}, {k: v for k, v in WHOLE.items() if k != "text"}),
        ({"response_model_exclude_unset": True}, {"longName": 0}),
        ({"response_model_exclude_defaults": True}, {}),
        ({"response_model_by_alias": False}, {("long_name" if k == "longName" else k): v for k, v in WHOLE.items()}),
        ({"response_model_include": {"text"}}, {"text": None}),
        (
            {"response_model_exclude": {"text": True, "part": {"secret"}}},
            {"type": "answer", "longName": 0, "part": {"kept": 1}},
        ),
    ],
    ids=lambda value: next(iter(value), "none") if isinstance(value, dict) else "",
)  # fmt: skip
@pytest.mark.parametrize("kind", ["handler", "listener", "stream"])
def test_what_replies_leave_out(kind: str, options: dict[str, Any], sent: dict[str, Any]) -> None:
    app = App()

    async def answer(message: Ask) -> Answer:
        return Answer(long_name=0)

    async def stream() -> AsyncIterator[Answer]:
        yield Answer(long_name=0)

    if kind == "stream":
        app.websocket_stream("/", **options)(stream)
    elif kind == "listener":
        app.websocket_listener("/", **options)(answer)
    else:
        app.messages("/").on("ask", **options)(answer)
    with TestClient(app).websocket_connect("/") as socket:
        if kind != "stream":
            socket.send_json({"type": "ask"})
        assert socket.receive_json() == sent


async def test_overrides_of_the_handshake_and_of_each_message(app: App, live: Live) -> None:
    async def user() -> str:
        return "nobody"

    async def session() -> str:
        return "a database"

    room = app.messages("/")

    @room.on("ask")
    async def ask(
        message: Ask,
        name: Annotated[str, Depends(user)],
        held: Annotated[str, Depends(session, scope="message")],
    ) -> dict[str, str]:
        return {"name": name, "held": held}

    app.dependency_overrides[user] = lambda: "ada"
    app.dependency_overrides[session] = lambda: "a fake"
    assert await live.ask("/", Ask()) == {"name": "ada", "held": "a fake"}


def test_names_paths_and_routes() -> None:
    app, router = App(), APIRouter(prefix="/v1")
    room = router.messages("/rooms/{room_id:int}", name="room")

    @room.on("ask")
    async def ask(message: Ask, room_id: int) -> dict[str, int]:
        return {"room": room_id}

    @app.websocket_listener("/echo")
    async def echo(message: Ask) -> Ask:
        return message

    @app.websocket_stream("/ticks/{symbol}")
    async def ticks(symbol: str) -> AsyncIterator[str]:
        yield symbol

    app.include_router(router, prefix="/api")
    assert app.url_path_for("room", room_id=3) == "/api/v1/rooms/3"
    assert (app.url_path_for("echo"), app.url_path_for("ticks", symbol="x")) == ("/echo", "/ticks/x")
    with pytest.raises(NoMatchFound):
        app.url_path_for("ask", room_id=3)  # a handler is no route
    assert {"/echo", "/ticks/{symbol}"} <= {getattr(route, "path", None) for route in app.routes}
    assert [route.path for route in router.routes if isinstance(getattr(route, "path", None), str)] == [
        "/v1/rooms/{room_id:int}"
    ]
    with TestClient(app).websocket_connect("/api/v1/rooms/3") as socket:
        socket.send_json({"type": "ask"})
        assert socket.receive_json() == {"room": 3}


class Loud:
    """Middleware that adds to every text that is sent, and to the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def louder(message: Any) -> None:
            if "text" in message:
                message = {**message, "text": message["text"] + " "}
            await send(message)

        await self.app({**scope, "loud": True}, receive, louder)


@pytest.fixture
def loud(app: App) -> None:
    app.add_middleware(Loud)


@pytest.mark.usefixtures("loud")
async def test_middleware_is_around_a_typed_route(app: App, live: Live) -> None:
    room = app.messages("/")

    @room.on("ask")
    async def ask(message: Ask, websocket: WebSocket) -> dict[str, bool]:
        return {"loud": websocket.scope["loud"]}

    async with live.connect("/") as socket:
        await socket.ask({"type": "ask"}, {"loud": True})
        await socket.ask({"type": "ask"}, '{"loud":true} ')
        await socket.send("[")
        assert str(await socket.receive()).endswith("} ")


@pytest.mark.parametrize("kind", ["messages", "listener", "stream"])
@pytest.mark.live(app=lambda: App(origins=["https://app.example"]))
async def test_a_page_of_another_origin_is_refused(live: Live, kind: str) -> None:
    ran: list[str] = []

    async def answer(message: Ask) -> Ask:
        return message

    async def ticks() -> AsyncIterator[int]:
        ran.append("stream")
        yield 1

    if kind == "messages":
        room = live.app.messages("/")
        room.on("ask")(answer)

        @room.on_connect
        async def joined(websocket: WebSocket) -> None:
            ran.append("on_connect")

    elif kind == "listener":
        live.app.websocket_listener("/")(answer)
    else:
        live.app.websocket_stream("/")(ticks)
    cookies = {"session": "1"}
    await live.client(origin="https://evil.example", cookies=cookies).expect_refused(403, "/")
    assert ran == []
    async with live.client(origin="https://app.example", cookies=cookies).connect("/") as socket:
        if kind != "stream":
            await socket.send(Ask(text="x"))
        await socket.expect(Any)
