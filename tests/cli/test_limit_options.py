"""``wirefast run --limit-*``: what an operator bounds, beside what the application does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from processes import running, wirefast
from wirefast import App
from wirefast.limits import operators
from wirefast.limits.operators import VARIABLE, limits_from

SERVICE = """
from wirefast import App, Limits, WebSocket

app = App(limits=Limits(message_bytes=20))

@app.websocket("/")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)
"""


def test_they_bound_the_sockets_of_a_worker(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    options = ["--limit-connections", "2", "--limit-messages", "3", "--limit-message-bytes", "10"]
    with running("service:app", "--port", "0", *options, cwd=tmp_path) as server:
        url = f"ws://127.0.0.1:{server.wait_for_port()}/"
        with connect(url) as one, connect(url):
            with pytest.raises(InvalidStatus) as refused:
                connect(url)
            assert refused.value.response.status_code == 503
            one.send("x" * 20)  # the application's own bound is nearer
            assert one.recv() == "x" * 20
            for _ in range(3):
                one.send("x")
            with pytest.raises(ConnectionClosed) as closed:
                for _ in range(4):
                    one.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--limit-connections", "0"], "--limit-connections 0 is not a positive number it can use"),
        (["--limit-idle", "-1"], "--limit-idle -1 is not a positive number it can use"),
        (["--limit-handshakes", "0.5"], "--limit-handshakes 0.5 is not a positive number it can use"),
    ],
)
def test_numbers_that_cannot_be(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    ended = wirefast("run", "service:app", *arguments, cwd=tmp_path)
    assert ended.returncode and says in ended.stderr


def test_another_application_has_no_limits(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("async def app(scope, receive, send): ...")
    ended = wirefast("run", "other:app", "--limit-per-ip", "5", cwd=tmp_path)
    assert ended.returncode and "--limit-per-ip needs an application of wirefast: App(...)" in ended.stderr


def test_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert operators.operators_limits() is None and App().router.admission.limits == ()
    monkeypatch.setenv(VARIABLE, '{"connections": 5, "messages": 2}')
    app: Any = App()
    (limits,) = app.router.admission.limits
    assert limits.connections == 5 and limits.messages.bucket == (2.0, 2.0)
    assert limits_from({"idle": 1.5}).idle == 1.5
