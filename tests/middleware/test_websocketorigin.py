"""Threat F1: a page of another origin opens a WebSocket with the user's cookies."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from wirefast import App, WebSocket
from wirefast.middleware import Middleware
from wirefast.middleware.websocketorigin import WebSocketOriginMiddleware
from wirefast.testclient import TestClient
from wirefast.websockets import WebSocketDisconnect


def client_of(allow_origins: list[str], **options: Any) -> tuple[TestClient, list[str]]:
    app = App(middleware=[Middleware(WebSocketOriginMiddleware, allow_origins=allow_origins, **options)])
    entered: list[str] = []

    @app.websocket("/")
    async def socket(websocket: WebSocket) -> None:
        entered.append(websocket.headers.get("origin", ""))
        await websocket.accept()
        await websocket.close()

    @app.get("/")
    def page() -> str:
        return "page"

    return TestClient(app), entered


def opens(client: TestClient, origin: str | None = None) -> bool:
    try:
        with client.websocket_connect("/", headers={} if origin is None else {"origin": origin}):
            return True
    except WebSocketDisconnect as refused:
        assert (refused.code, refused.reason) == (1008, "origin not allowed")
        return False


@pytest.mark.parametrize("origin", ["https://good", "https://GOOD", "https://good:443", "http://also.good:8080"])
def test_listed_origins_pass(origin: str) -> None:
    client, entered = client_of(["https://good", "http://Also.Good:8080"])
    assert opens(client, origin)
    assert entered == [origin]


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil", "null", "https://good.evil", "https://evilgood", "http://good", "https://good:8443", ""),
        *("https://good/", "https://good@evil", "https://good:x", "https://good, https://evil", "good", "https://"),
        *("https://[", "https://good:99999", "https://good?", "https://good#", " https://good"),
    ],
)
def test_other_origins_are_refused_before_the_application(origin: str) -> None:
    client, entered = client_of(["https://good"])
    assert not opens(client, origin)
    assert entered == []


def test_two_origins_are_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(*arguments: Any) -> None:
        raise AssertionError("the application was entered")

    middleware = WebSocketOriginMiddleware(app, allow_origins=["https://good"])
    scope = {"type": "websocket", "headers": [(b"origin", b"https://good"), (b"origin", b"https://evil")]}
    anyio.run(middleware, scope, app, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "origin not allowed"}]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_missing_origin_follows_the_setting(allowed: bool) -> None:
    client, _ = client_of(["https://good"], allow_missing=allowed)
    assert opens(client) is allowed


def test_a_page_without_an_origin_and_any_page_have_to_be_named() -> None:
    assert opens(client_of(["null"])[0], "null")
    assert opens(client_of(["*"])[0], "https://evil")


def test_http_passes() -> None:
    client, _ = client_of(["https://good"])
    assert client.get("/", headers={"origin": "https://evil"}).json() == "page"


@pytest.mark.parametrize("wrong", ["good", "https://", "https://good/", "https://good/path", "https://a@good", ""])
def test_what_is_no_origin_is_named_at_once(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no origin; expected scheme://host"):
        WebSocketOriginMiddleware(App(), allow_origins=[wrong])


def test_one_string_is_no_list() -> None:
    with pytest.raises(TypeError, match="list of origins"):
        WebSocketOriginMiddleware(App(), allow_origins="https://good")
