"""Refuse: an HTTP status before accept, a close code after it, and what a browser can see."""

from typing import Annotated, Any

import anyio
import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from wirefast import App, Depends, HTTPException, Refuse, WebSocket
from wirefast.testclient import TestClient


def application(refusal: Refuse, **options: Any) -> App:
    app = App(**options)

    def dependency() -> None:
        raise refusal

    @app.websocket("/dependency")
    async def by_dependency(websocket: WebSocket, _: Annotated[None, Depends(dependency)]) -> None: ...

    @app.websocket("/endpoint")
    async def by_endpoint(websocket: WebSocket) -> None:
        raise refusal

    @app.websocket("/accepted")
    async def accepted(websocket: WebSocket) -> None:
        await websocket.accept("chat" if "chat" in websocket.scope["subprotocols"] else None)
        raise refusal

    @app.get("/page")
    def page() -> None:
        raise refusal

    return app


def denial(app: App, path: str) -> WebSocketDenialResponse:
    with pytest.raises(WebSocketDenialResponse) as raised, TestClient(app).websocket_connect(path):
        pass
    return raised.value


def closed(app: App, path: str, **options: Any) -> tuple[int, str | None, str | None]:
    with TestClient(app).websocket_connect(path, **options) as websocket:
        with pytest.raises(WebSocketDisconnect) as raised:
            websocket.receive_text()
    return raised.value.code, raised.value.reason, websocket.accepted_subprotocol


@pytest.mark.parametrize("path", ["/dependency", "/endpoint"])
def test_before_accept(path: str) -> None:
    answer = denial(application(Refuse(401, "token expired", code=4401, headers={"x-more": "1"})), path)
    assert (answer.status_code, answer.json()) == (401, {"detail": "token expired"})
    assert (answer.headers["x-more"], answer.headers["www-authenticate"]) == ("1", "Bearer")


def test_after_accept() -> None:
    assert closed(application(Refuse(401, "token expired", code=4401)), "/accepted") == (4401, "token expired", None)
    assert closed(application(Refuse(403)), "/accepted") == (1008, "Forbidden", None)
    long = closed(application(Refuse(403, "é" * 100, code=4403)), "/accepted")
    assert long[:2] == (4403, "é" * 61)


@pytest.mark.parametrize("path", ["/dependency", "/endpoint", "/accepted"])
def test_for_browsers(path: str) -> None:
    app = application(Refuse(401, {"why": "expired"}, code=4401), explain_rejections="close")
    assert closed(app, path)[:2] == (4401, '{"why":"expired"}')


def test_for_browsers_a_subprotocol_that_is_no_token_is_answered() -> None:
    app = application(Refuse(401, "expired", code=4401), explain_rejections="close")
    offered = ["bearer.c2VjcmV0", "b ad", "chat"]
    assert closed(app, "/dependency", subprotocols=offered) == (4401, "expired", "chat")


@pytest.mark.parametrize("explain", [None, "http", "close"])
def test_over_http(explain: Any) -> None:
    app = application(Refuse(401, "token expired", code=4401), explain_rejections=explain)
    answer = TestClient(app).get("/page")
    assert (answer.status_code, answer.json()) == (401, {"detail": "token expired"})
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_server_that_knows_no_denial_response() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/endpoint", "headers": [], "query_string": b"", "subprotocols": []}
    anyio.run(application(Refuse(401, "token expired", code=4401)), scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 4401, "reason": "token expired"}]


def test_a_challenge_of_ones_own() -> None:
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    assert Refuse(401, headers=challenge).headers == challenge
    assert Refuse(403).headers is None
    assert denial(application(Refuse(429, headers={"Retry-After": "5"})), "/endpoint").headers["retry-after"] == "5"


def test_it_is_an_http_exception() -> None:
    app = application(Refuse(401, code=4401))
    seen: list[Any] = []

    @app.exception_handler(HTTPException)
    async def handler(connection: Any, exc: HTTPException) -> None:
        seen.append(exc.status_code)
        await connection.close(4000)

    with pytest.raises(WebSocketDisconnect), TestClient(app).websocket_connect("/endpoint"):
        pass
    assert seen == [401]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_no_frame_may_have(code: int) -> None:
    with pytest.raises(ValueError, match=f"{code} is no code of a close frame"):
        Refuse(401, code=code)


@pytest.mark.parametrize("status", [0, 101, 200, 299, 600])
def test_statuses_that_refuse_nothing(status: int) -> None:
    with pytest.raises(ValueError, match=f"from 300 to 599, not {status}"):
        Refuse(status)
