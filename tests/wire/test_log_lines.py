"""The lines that handshakes leave in the logs."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from apps import echo
from peer import close_frame, request


def test_log_lines(serve: Any) -> None:
    server = serve(echo)
    with server.opened("/path%0d%0a?q=%0d") as peer:
        host, port = peer.sock.getsockname()
        peer.send(close_frame()).frame()
    server.stop()
    messages = [record.getMessage() for record in server.records]
    assert f'{host}:{port} - "WebSocket /path%0D%0A?q=%0d" [accepted]' in messages


@pytest.mark.parametrize("access_log", [True, False])
def test_the_access_log_is_one_switch(serve: Any, access_log: bool, caplog: pytest.LogCaptureFixture) -> None:
    """No line about a handshake, whatever became of it: they hold tokens."""
    for name in ("uvicorn.access", "uvicorn.error"):
        caplog.set_level(logging.INFO, name)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/closed":
            await send({"type": "websocket.close"})
        elif scope["path"] == "/denied":
            await send({"type": "websocket.http.response.start", "status": 401})
            await send({"type": "websocket.http.response.body"})
        else:
            await send({"type": "websocket.accept"})

    server = serve(app, access_log=access_log)
    for path in ("/accepted", "/closed", "/denied"):
        with server.peer() as peer:
            peer.send(request(f"{path}?word=secret")).response()
    with server.peer() as peer:
        peer.send(request("/bad?word=secret", headers=[("Sec-WebSocket-Extensions", "a;;")])).response()
    server.stop()
    lines = [record.getMessage() for record in server.records if "secret" in record.getMessage()]
    assert len(lines) == (4 if access_log else 0), lines
