"""Under uvicorn's own command sockets work, and one line says how they get the compiled wire."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from peer import Peer, request
from websockets.sync.client import connect

from processes import ServerProcess

APP = """
from wirefast import FastAPI, WebSocket
app = FastAPI()
@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
"""
WITHOUT = "from wirefast import FastAPI\napp = FastAPI()\n"
OURS = ("--ws", "wirefast.server:WebSocketProtocol")


class Uvicorn(ServerProcess):
    def __init__(self, *more: str, cwd: Path) -> None:
        self.more = more
        super().__init__(cwd=cwd)

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "uvicorn", "main:app", "--port", "0", *self.more]


@pytest.mark.parametrize(("program", "more", "lines"), [(APP, (), 1), (APP, OURS, 0), (WITHOUT, (), 0)])
def test_one_line(tmp_path: Path, program: str, more: tuple[str, ...], lines: int) -> None:
    (tmp_path / "main.py").write_text(program)
    server = Uvicorn(*more, cwd=tmp_path)
    try:
        port = server.wait_for_port()
        if program == APP:
            for _ in range(2):
                with connect(f"ws://127.0.0.1:{port}/ws") as client:
                    client.send("hello")
                    assert client.recv() == "hello"
    finally:
        server.end()
    assert server.log.count("WebSockets are served by uvicorn's own protocol. For wirefast's compiled one use") == lines
    assert "No supported WebSocket library" not in server.log


@pytest.mark.parametrize(("upgrade", "advice"), [("websocket", 1), ("h2c", 0)])
def test_an_upgrade_where_there_is_no_protocol_for_it(tmp_path: Path, upgrade: str, advice: int) -> None:
    """As where uvicorn finds no library for sockets."""
    (tmp_path / "main.py").write_text(APP)
    server = Uvicorn("--ws", "none", "--http", "wirefast.server:HttpProtocol", cwd=tmp_path)
    try:
        with Peer(("127.0.0.1", server.wait_for_port())) as peer:
            peer.send(request("/ws").replace(b"websocket", upgrade.encode()))
            assert peer.response().status == 404
    finally:
        server.end()
    assert server.log.count("Unsupported upgrade request") == 1
    assert server.log.count("Start uvicorn with --ws wirefast.server:WebSocketProtocol") == advice
