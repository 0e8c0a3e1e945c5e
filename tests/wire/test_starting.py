"""What a server answers before its application has started, and that a failed start leaves nothing behind."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from broker_servers import free_port
from peer import Peer
from peer import request as handshake

from processes import running, wirefast
from slower import SLOWER

SERVICE = """
import asyncio, os
from contextlib import asynccontextmanager
from wirefast import App, WebSocket

@asynccontextmanager
async def lifespan(app):
    print("lifespan begins", flush=True)
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    if os.path.exists("fail"):
        raise OSError("no database")
    yield

app = App(lifespan=lifespan)

@app.get("/")
async def page():
    return "page"

@app.websocket("/")
async def socket(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive()
"""


@pytest.fixture
def run_dir(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    return short_path / "run"


def get(port: int, path: str) -> tuple[int, str | None]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20 * SLOWER) as response:
            return response.status, response.headers["retry-after"]
    except urllib.error.HTTPError as exc:
        exc.close()
        return exc.code, exc.headers["retry-after"]


def upgrade(port: int) -> tuple[int, str | None]:
    with Peer(("127.0.0.1", port), timeout=20.0 * SLOWER) as peer:
        peer.send(handshake("/"))
        response = peer.response()
        return response.status, response.header("retry-after")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_probes_and_503_until_the_application_has_started(run_dir: Path, tmp_path: Path, loop: str) -> None:
    unused = free_port()
    (tmp_path / "service.py").write_text(SERVICE)
    options = ("--port", str(unused), "--health", "/healthz", "--metrics-port", "0", "--loop", loop)
    with running("service", *options, cwd=tmp_path) as server:
        metrics = int(server.wait_for(r"Metrics on http://127.0.0.1:(\d+)")[1])
        server.wait_for("lifespan begins")
        for port in (unused, metrics):
            assert get(port, "/healthz") == (200, None)
            assert get(port, "/readyz")[0] == 503
        assert get(unused, "/") == upgrade(unused) == (503, "2")
        (tmp_path / "go").touch()
        assert server.wait_for_port() == unused
        for port in (unused, metrics):
            assert get(port, "/readyz")[0] == 200
        assert get(unused, "/") == (200, None) and upgrade(unused)[0] == 101
        server.end()
    assert "Traceback" not in server.log and list(run_dir.iterdir()) == []


def test_an_application_that_cannot_start_leaves_nothing(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    for name in ("go", "fail"):
        (tmp_path / name).touch()
    for more in ((), ("--health", "/healthz"), ("--workers", "2")):
        ended = wirefast("run", "service", "--port", "0", *more, cwd=tmp_path)
        assert ended.returncode == 3 and "no database" in ended.stderr
        assert list(run_dir.iterdir()) == []
