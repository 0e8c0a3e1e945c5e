"""The WebSocket class that users name: a real subclass of Starlette's, with the core's methods in front."""

import fastapi
import fastapi.websockets
import pytest
import starlette.websockets
from starlette.requests import HTTPConnection

from asgi import connect, websocket_scope
from wirefast import App, websockets
from wirefast._core.websocket import WebSocketCore
from wirefast.websockets import WebSocket


def test_a_real_subclass():
    assert issubclass(WebSocket, starlette.websockets.WebSocket)
    assert isinstance(WebSocket(websocket_scope(), None, None), (starlette.websockets.WebSocket, HTTPConnection))


@pytest.mark.parametrize("name", ["WebSocketDisconnect", "WebSocketState"])
def test_the_others_are_starlettes_own(name):
    assert getattr(websockets, name) is getattr(fastapi.websockets, name) is getattr(starlette.websockets, name)


@pytest.mark.parametrize(
    "name",
    "receive send accept receive_text receive_bytes receive_json iter_text iter_bytes iter_json send_text send_bytes "
    "send_json close client_state application_state".split(),
)
def test_what_the_core_replaces(name):
    assert getattr(WebSocket, name) is getattr(WebSocketCore, name)


def test_no_public_name_is_added_but_nine():
    """A subclass may use any name, these nine too: nothing of ours calls them."""
    theirs = set(dir(starlette.websockets.WebSocket)) | {"client_state", "application_state", "scope"}
    ours = {name for name in dir(WebSocket) if not name.startswith("_")}
    assert ours - theirs == {
        "connected", "try_send", "buffered", "receive_message", "iter_messages", "send_message", "message_scope",
        "expires_at", "warn_before_expiry",
    }  # fmt: skip


def test_everything_of_a_connection():
    websocket = WebSocket(
        websocket_scope("/a?x=1&x=2", headers=[("Cookie", "c=1"), ("X-A", "b")], path_params={"p": 1}), None, None
    )
    assert str(websocket.url) == "ws://testserver/a?x=1&x=2"
    assert websocket.query_params.getlist("x") == ["1", "2"]
    assert websocket.cookies == {"c": "1"}
    assert websocket.headers["x-a"] == "b"
    assert websocket.path_params == {"p": 1}
    assert websocket.client.host == "testclient"
    assert websocket["type"] == "websocket"
    assert dict(websocket)["path"] == "/a"
    assert websocket == websocket and len({websocket}) == 1


@pytest.mark.parametrize(
    "annotation", [WebSocket, fastapi.WebSocket, starlette.websockets.WebSocket, type("Mine", (WebSocket,), {})]
)
def test_every_annotation_gets_ours(annotation):
    seen = []

    async def endpoint(websocket):
        seen.append(type(websocket))

    endpoint.__annotations__["websocket"] = annotation
    app = App()
    app.websocket("/")(endpoint)
    connect(app)
    assert seen == [WebSocket]


def test_a_denial_response():
    from starlette.responses import PlainTextResponse

    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        await websocket.send_denial_response(PlainTextResponse("no", 402))

    sent = connect(app).sent
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 402
