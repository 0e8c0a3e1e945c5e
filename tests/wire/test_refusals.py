"""Handshakes that are refused: status, code, reason and body as a client reads them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from peer import request

from wirefast import App, Query, WebSocket


def test_rejection_carries_code_and_reason(serve: Any) -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "no é"})
        events.append(await receive())

    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request()).response()
        assert response.status == 403
        assert response.header("content-type") == "application/json"
        assert json.loads(response.body) == {"code": 1008, "reason": "no é"}
        assert peer.ended()
    assert events == [{"type": "websocket.disconnect", "code": 1006}]
    assert server.errors == []


def test_denial_response(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"Content-Length", b"99"), (b"X-Why", b"tired")]
        await send({"type": "websocket.http.response.start", "status": 429, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"come ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"later"})

    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request()).response()
        assert (response.status, response.body, response.header("x-why")) == (429, b"come later", "tired")
        assert peer.ended()


def test_a_denials_body_is_bytes(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404})
        with pytest.raises(TypeError, match='^"body" of websocket.http.response.body takes bytes, not str$'):
            await send({"type": "websocket.http.response.body", "body": "x"})
        await send({"type": "websocket.http.response.body", "body": b"gone"})

    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request()).response()
    assert (response.status, response.body) == (404, b"gone")
    assert server.errors == []


def test_a_code_that_no_frame_may_have_still_refuses_a_handshake(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 99999})

    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request()).response()
    assert (response.status, json.loads(response.body)) == (403, {"code": 99999, "reason": ""})


def test_a_refusal_says_its_errors_once(serve: Any) -> None:
    app = App()

    @app.websocket("/rooms/{room}")
    async def endpoint(websocket: WebSocket, room: int, limit: Annotated[int, Query(ge=1)]) -> None: ...

    @app.websocket("/closed")
    async def closed(websocket: WebSocket) -> None:
        await websocket.close(4001, "not today")

    class Changing:
        """A middleware with a reason of its own."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def changed(message: Any) -> None:
                await send({**message, "reason": "changed"})

            await self.app(scope, receive, changed if "changed" in scope["path"] + str(scope["query_string"]) else send)

    server = serve(Changing(app))

    def refused(target: str) -> Any:
        with server.peer() as peer:
            response = peer.send(request(target)).response()
        assert (response.status, response.header("content-type")) == (403, "application/json")
        return json.loads(response.body)

    whole = "Input should be a valid integer, unable to parse string as an integer"
    assert refused("/rooms/x?limit=0") == {
        "code": 1008,
        "reason": f"path.room: {whole}; query.limit: Input should be greater than or equal to 1",
        "errors": [
            {"type": "int_parsing", "loc": ["path", "room"], "msg": whole},
            {
                "type": "greater_than_equal",
                "loc": ["query", "limit"],
                "msg": "Input should be greater than or equal to 1",
            },
        ],
    }
    assert refused("/rooms/x?changed") == {"code": 1008, "reason": "changed"}
    assert refused("/closed") == {"code": 4001, "reason": "not today"}


def test_half_a_pair_in_the_reason_of_a_refusal_and_of_a_close(serve: Any) -> None:
    """U+FFFD, by the rule of docs/json.md."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/open":
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000, "reason": "no \ud83d"})

    server = serve(app)
    with server.peer() as peer:
        body = peer.send(request()).response().body
    assert json.loads(body) == {"code": 4000, "reason": "no \ufffd"}
    with server.opened("/open") as peer:
        assert peer.frame().reason == "no \ufffd"
    assert server.errors == []
