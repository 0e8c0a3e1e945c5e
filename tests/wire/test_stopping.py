"""``wirefast run`` ends in time, whatever its handlers wait for."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest
from peer import CLOSE, Peer

from processes import once_up, running
from slower import SLOWER

SERVICE = """
import asyncio, threading
from contextlib import asynccontextmanager
import anyio.to_thread
from wirefast import App, Depends, WebSocket

@asynccontextmanager
async def lifespan(app):
    yield
    print("lifespan over", flush=True)

app = App(lifespan=lifespan)

async def resource():
    try:
        yield
    finally:
        print("released", flush=True)

async def slow_exit():
    yield
    await asyncio.Event().wait()

@app.websocket("/queue", dependencies=[Depends(resource)])
async def queue(websocket: WebSocket):
    await websocket.accept()
    print("waiting", flush=True)
    await asyncio.Queue().get()

@app.websocket("/lock", dependencies=[Depends(resource)])
async def lock(websocket: WebSocket):
    await websocket.accept()
    lock = asyncio.Lock()
    await lock.acquire()
    print("waiting", flush=True)
    await lock.acquire()

@app.websocket("/exit", dependencies=[Depends(resource), Depends(slow_exit)])
async def exiting(websocket: WebSocket):
    await websocket.accept()
    print("waiting", flush=True)

@app.websocket("/deaf", dependencies=[Depends(resource)])
async def deaf(websocket: WebSocket):
    await websocket.accept()
    print("waiting", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

@app.websocket("/thread", dependencies=[Depends(resource)])
async def thread(websocket: WebSocket):
    await websocket.accept()
    print("waiting", flush=True)
    await anyio.to_thread.run_sync(threading.Event().wait)

@app.get("/http", dependencies=[Depends(resource)])
async def http():
    print("waiting", flush=True)
    await asyncio.Event().wait()
"""
# Of the whole end: a second for the handlers, then those seconds for what ignores that; the rest is a busy machine's.
ENOUGH = (1 + 5 + 8) * SLOWER


@pytest.mark.parametrize("path", ["queue", "lock", "exit", "deaf", "thread", "http"])
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "workers"])
def test_a_stop_ends_in_time(tmp_path: Path, path: str, how: str) -> None:
    more = ["--workers", "2"] if how == "workers" else []
    (tmp_path / "service.py").write_text(SERVICE)
    arguments = ["service", "--port", "0", "--timeout-graceful-shutdown", "1", *more]
    with running(*arguments, cwd=tmp_path) as server:
        port = server.wait_for_port()
        once_up(lambda: socket.create_connection(("127.0.0.1", port)).close())
        with Peer(("127.0.0.1", port)) as peer:
            if path == "http":
                peer.send(b"GET /http HTTP/1.1\r\nHost: a\r\n\r\n")
            else:
                peer.open(f"/{path}")
            server.wait_for("waiting")
            started = time.monotonic()
            server.process.send_signal(signal.SIGINT if how == "SIGINT" else signal.SIGTERM)
            if path not in ("http", "exit"):
                assert (peer.frame().opcode, peer.ended()) == (CLOSE, True)
            code = server.end(0)
            took = time.monotonic() - started
            if path == "http":
                assert peer.response().status == 503
    assert took < ENOUGH, server.log
    assert "Traceback" not in server.log, server.log
    assert "lifespan over" in server.log
    assert path in ("deaf", "thread") or "released" in server.log
    # After SIGTERM a process ends by that signal, so that nothing can hold it up.
    ignored = path in ("deaf", "thread") and how == "SIGINT"
    assert ("The process is ended now" in server.log) == ignored, server.log
    assert code == (1 if ignored else -signal.SIGTERM if how == "SIGTERM" else 0)


def test_the_default_is_thirty_seconds(tmp_path: Path) -> None:
    from wirefast.cli import OWN_DEFAULTS
    from wirefast.cli.serving import RELOAD_TIMEOUT

    assert (OWN_DEFAULTS["timeout_graceful_shutdown"], RELOAD_TIMEOUT) == (30, 3)


def test_a_reload_does_not_wait_for_a_queue(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    with running("service", "--port", "0", "--reload", cwd=tmp_path) as server:
        port = server.wait_for_port()
        once_up(lambda: socket.create_connection(("127.0.0.1", port)).close())
        with Peer(("127.0.0.1", port)) as peer:
            peer.open("/queue")
            server.wait_for("waiting")
            started = time.monotonic()
            service.write_text(SERVICE + "\nprint('changed', flush=True)\n")
            server.wait_for("changed")
            assert time.monotonic() - started < (3 + 12) * SLOWER
