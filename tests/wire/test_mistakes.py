"""Mistakes at run time are told in the log with function, file, line and path."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import pytest
from peer import request

from wirefast import App, WebSocket


def test_an_endpoint_that_does_not_answer_is_named(serve: Any) -> None:
    app = App()

    @app.websocket("/rooms/{room}")
    async def forgetful(websocket: WebSocket, room: str) -> None: ...

    server = serve(app)
    with server.peer() as peer:
        assert peer.send(request("/rooms/7?token=secret")).response()[0] == 500
    server.stop()
    (text,) = [record.getMessage() for record in server.records if record.levelname == "ERROR"]
    line = forgetful.__code__.co_firstlineno
    assert text == (
        "ASGI callable returned without completing handshake. test_an_endpoint_that_does_not_answer_is_named.<locals>."
        f"forgetful() in {__file__}, line {line} ended for the path '/rooms/7' "
        "without accept(), close() or an exception"
    )


def test_an_application_without_a_route_has_no_endpoint(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    server = serve(app)
    with server.peer() as peer:
        peer.send(request("/x\x7f")).response()
    with server.peer() as peer:
        assert peer.send(request("/a%0ab")).response()[0] == 500
    server.stop()
    (text,) = [record.getMessage() for record in server.records if record.levelname == "ERROR"]
    assert text.endswith("The application ended for the path '/a\\nb' without accept(), close() or an exception")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes before Python 3.11")
@pytest.mark.parametrize("call", ["send_text", "send_json", "send_bytes"])
def test_a_send_before_accept_says_what_to_call(serve: Any, call: str) -> None:
    app = App()

    @app.websocket("/")
    async def eager(websocket: WebSocket) -> None:
        await getattr(websocket, call)(b"x" if call == "send_bytes" else "x")

    server = serve(app)
    with server.peer() as peer:
        peer.send(request("/")).response()
    server.stop()
    (record,) = [record for record in server.records if record.levelname == "ERROR"]
    text = "".join(traceback.format_exception(*record.exc_info))
    assert "Nothing can be sent before the handshake is answered: call await websocket.accept() first." in text
    assert __file__ in text
