"""The lines that handshakes leave in the logs."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from apps import echo
from peer import TEXT, Peer, close_frame, frame, request

from processes import running


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


FAILING = """
from wirefast import App, WebSocket

app = App()

@app.websocket("/early")
async def early(websocket: WebSocket):
    raise LookupError

@app.websocket("/refused")
async def refused(websocket: WebSocket):
    await websocket.close()
    raise LookupError

@app.websocket("/late")
async def late(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive_text()
    raise LookupError

@app.websocket("/gone")
async def gone(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive()
    raise LookupError

@app.websocket("/big")
async def big(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive_text()
"""


def test_each_line_of_a_failure_names_its_connection(tmp_path: Path) -> None:
    """Before and after the handshake, and after the client has gone: the id, the path and the client."""
    (tmp_path / "service.py").write_text(FAILING)
    options = ["--log-format", "json", "--request-id", "--ws-max-size", "100"]
    with running("service", "--port", "0", *options, cwd=tmp_path) as server:
        port = server.wait_for_port()
        failed = "Exception in ASGI application"
        cases = {
            "/early": [failed, '"websocket_refused"'],
            "/refused": [failed],
            "/late": [failed],
            "/gone": [failed],
            "/big": ["WebSocket closed with 1009: message too big"],
        }
        for path, lines in cases.items():
            with Peer(("127.0.0.1", port)) as peer:
                peer.send(request(path, headers=[("X-Request-ID", f"id-of-{path[1:]}")])).response()
                client = "{}:{}".format(*peer.sock.getsockname())
                if path == "/late":
                    peer.send(frame(TEXT, b"go on"))
                elif path == "/big":
                    peer.send(frame(TEXT, b"a" * 101))
                elif path == "/gone":
                    peer.sock.close()
                for pattern in lines:
                    line = json.loads(server.wait_for(pattern).string)
                    said = {name: line.get(name) for name in ("request_id", "path", "client")}
                    assert said == {"request_id": f"id-of-{path[1:]}", "path": path, "client": client}, line
