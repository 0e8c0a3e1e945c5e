"""`wirefast.testclient` hands on Starlette's client and what a WebSocket session of it gives and raises."""

import pytest
import starlette.testclient

from wirefast import App, WebSocket
from wirefast.responses import PlainTextResponse
from wirefast.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession


def test_the_names_are_starlettes() -> None:
    assert TestClient is starlette.testclient.TestClient
    assert WebSocketTestSession is starlette.testclient.WebSocketTestSession


def test_a_denial_response_is_raised() -> None:
    app = App()

    @app.websocket("/")
    async def refuse(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("not today", status_code=429))

    with pytest.raises(WebSocketDenialResponse) as raised, TestClient(app).websocket_connect("/"):
        pass
    assert (raised.value.status_code, raised.value.text) == (429, "not today")
