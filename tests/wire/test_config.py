"""What `wirefast run` sets up in each of its processes."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path

import pytest
from apps import echo
from websockets.sync.client import connect

from processes import once_up, running
from wirefast.server import config as module
from wirefast.server.config import Config

SERVICE = """
import gc
from wirefast import App, WebSocket

app = App()

@app.websocket("/")
async def count(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json(gc.get_freeze_count())
    await websocket.close()
"""


def test_what_the_import_made_is_left_out_of_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(echo, log_config=None)
    frozen: list[bool] = []
    kept: list[bool] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(config.loaded))  # this process does more than serve
    monkeypatch.setattr(module, "keep_memory", lambda: kept.append(True))
    config.load()
    assert frozen == kept == [True]


def test_it_reaches_a_worker() -> None:
    config = pickle.loads(pickle.dumps(Config("apps:echo", log_config=None)))
    assert type(config) is Config


def test_workers_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    with running("service", "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        port = server.wait_for_port()
        with once_up(lambda: connect(f"ws://127.0.0.1:{port}/")) as client:
            assert int(client.recv(timeout=20)) > 10_000
