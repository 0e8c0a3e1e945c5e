"""Applications with limits, and what their clients see."""

from typing import Any

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from wirefast import App, Limits, Rate, WebSocket
from wirefast.testclient import TestClient


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


def client_of(limits: Limits | None, **options: Any) -> TestClient:
    app = App(limits=limits, **options)
    app.websocket("/")(echo)
    return TestClient(app)


def denied(client: TestClient, path: str = "/", **options: Any) -> WebSocketDenialResponse:
    with pytest.raises(WebSocketDenialResponse) as raised, client.websocket_connect(path, **options):
        pass
    return raised.value


def closes(websocket: Any) -> tuple[int, str | None]:
    with pytest.raises(WebSocketDisconnect) as raised:
        while True:
            websocket.receive_text()
    return raised.value.code, raised.value.reason


MANY = Rate(6, per=10_000.0)


def exchange(client: TestClient, texts: list[str | bytes], path: str = "/") -> tuple[int, Any]:
    """How many of the messages came back, and how the socket was closed; None where it was not."""
    with client.websocket_connect(path) as websocket:
        for text in texts:
            websocket.send_text(text) if isinstance(text, str) else websocket.send_bytes(text)
        websocket.send_text("last") if texts else None
        count = 0
        try:
            while websocket.receive_text() != "last":
                count += 1
        except WebSocketDisconnect as closed:
            return count, (closed.code, closed.reason)
    return count, None
