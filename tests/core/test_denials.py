"""A middleware that refuses a handshake by a response, on servers with and without the extension for it."""

import asyncio
from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from asgi import Client, websocket_scope
from wirefast import App, WebSocket
from wirefast.middleware.httpsredirect import HTTPSRedirectMiddleware
from wirefast.middleware.trustedhost import TrustedHostMiddleware


class Refusing:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("no", 418)(scope, receive, send)


MIDDLEWARE = {
    "host": Middleware(TrustedHostMiddleware, allowed_hosts=["other.example"]),
    "https": Middleware(HTTPSRedirectMiddleware),
    "the user's": Middleware(Refusing),
}


def sent(middleware: Middleware | None, extensions: Any) -> list[str]:
    app = App(middleware=[middleware] if middleware else [Middleware(TrustedHostMiddleware, allowed_hosts=["*"])])

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    client = Client()
    asyncio.run(app({**websocket_scope("/"), "extensions": extensions}, client.receive, client.send))
    return [message["type"] for message in client.sent]


@pytest.mark.parametrize("name", MIDDLEWARE)
def test_a_denial_needs_its_extension(name: str):
    response = ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent(MIDDLEWARE[name], {"websocket.http.response": {}}) == response
    for extensions in ({}, None):
        assert sent(MIDDLEWARE[name], extensions) == ["websocket.close"]


@pytest.mark.parametrize("extensions", [{}, None, {"websocket.http.response": {}}])
def test_what_is_accepted_stays_as_it_was(extensions: Any):
    assert sent(None, extensions) == ["websocket.accept", "websocket.send", "websocket.close"]
