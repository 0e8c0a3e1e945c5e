"""``wirefast run`` ends in time, whatever its handlers wait for."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from wirefast.responses import StreamingResponse

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

async def slowly():
    try:
        yield
    finally:
        await asyncio.sleep(0.3)
        print("slowly released", flush=True)

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

@app.websocket("/slow", dependencies=[Depends(slowly)])
async def slow(websocket: WebSocket):
    await websocket.accept()
    print("waiting", flush=True)
    await asyncio.Queue().get()

@app.get("/slow", dependencies=[Depends(slowly)])
async def slow_http():
    print("waiting", flush=True)
    await asyncio.Event().wait()

@app.get("/stream")
async def stream():
    async def parts():
        try:
            yield b"x"
            print("waiting", flush=True)
            await asyncio.Event().wait()
        finally:
            print("released", flush=True)
    return StreamingResponse(parts())

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


@contextmanager
def touched(path: Path) -> Iterator[None]:
    """Change a file's time again and again: a reloader without watchfiles sees nothing before its first look."""
    done = threading.Event()

    def touch() -> None:
        while not done.wait(0.5):
            later = path.stat().st_mtime + 1
            os.utime(path, (later, later))

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_reload_does_not_wait_for_a_queue(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    with running("service", "--port", "0", "--reload", cwd=tmp_path) as server:
        port = server.wait_for_port()
        once_up(lambda: socket.create_connection(("127.0.0.1", port)).close())
        with Peer(("127.0.0.1", port)) as peer:
            peer.open("/queue")
            server.wait_for("waiting")
            service.write_text(SERVICE + "\nprint('changed', flush=True)\n")
            with touched(service):
                server.wait_for("Reloading")
            # The old process alone: how long the next one takes to start is the machine's matter.
            started = time.monotonic()
            server.wait_for("Finished server process")
            assert time.monotonic() - started < (3 + 12) * SLOWER
            server.wait_for("changed")


def stopped(
    directory: Path, request: str, *signals: signal.Signals, more: tuple[str, ...] = (), service: str = SERVICE
) -> tuple[int, str]:
    """Exit code and log of a server that gets signals while a handler waits, each once it took the one before."""
    (directory / "service.py").write_text(service)
    with running("service", "--port", "0", "--timeout-graceful-shutdown", "1", *more, cwd=directory) as server:
        port = server.wait_for_port()
        once_up(lambda: socket.create_connection(("127.0.0.1", port)).close())
        with Peer(("127.0.0.1", port)) as peer:
            if request.startswith("GET "):
                peer.send(f"{request} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            else:
                peer.open(request)
            server.wait_for("waiting")
            server.process.send_signal(signals[0])
            for number in signals[1:]:
                server.wait_for("CTRL")
                server.process.send_signal(number)
            started = time.monotonic()
            code = server.end(0)
            assert time.monotonic() - started < ENOUGH, server.log
    return code, server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("lifespan", ["on", "off"])
@pytest.mark.parametrize("request_line", ["/slow", "GET /slow"])
def test_a_clean_up_that_waits_is_waited_for(
    tmp_path: Path, request_line: str, lifespan: str, number: signal.Signals
) -> None:
    code, log = stopped(tmp_path, request_line, number, more=("--lifespan", lifespan))
    assert code == (0 if number == signal.SIGINT else -number)
    assert "Traceback" not in log
    assert "slowly released" in log
    assert lifespan == "off" or log.index("slowly released") < log.index("lifespan over")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_response_that_has_begun_is_broken_off(tmp_path: Path, number: signal.Signals) -> None:
    code, log = stopped(tmp_path, "GET /stream", number)
    assert code == (0 if number == signal.SIGINT else -number)
    assert "Traceback" not in log
    assert "released" in log


@pytest.mark.parametrize("path", ["/queue", "/deaf", "/thread", "GET /stream"])
def test_a_second_interrupt_ends_at_once_or_in_time(tmp_path: Path, path: str) -> None:
    code, log = stopped(tmp_path, path, signal.SIGINT, signal.SIGINT)
    ignored = path in ("/deaf", "/thread")
    assert code == (1 if ignored else 0)
    assert ("The process is ended now" in log) == ignored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_lifespan_that_does_not_end(tmp_path: Path, number: signal.Signals) -> None:
    service = SERVICE.replace('    print("lifespan over", flush=True)\n', "    await asyncio.Event().wait()\n")
    code, log = stopped(tmp_path, "/queue", number, service=service)
    assert code == (0 if number == signal.SIGINT else -number)
    assert "The application's lifespan did not end in 1 seconds" in log


def test_what_ignores_its_end_is_told(tmp_path: Path) -> None:
    _, log = stopped(tmp_path, "/deaf", signal.SIGTERM)
    assert "1 task(s) ignore that they were cancelled; the process ends without them" in log


def test_a_unix_socket(short_path: Path) -> None:
    (short_path / "service.py").write_text(SERVICE)
    path = str(short_path / "s")
    for _ in range(2):  # the second finds the socket of the first, which SIGTERM leaves behind
        with running("service", "--uds", path, "--timeout-graceful-shutdown", "1", cwd=short_path) as server:
            server.wait_for("Uvicorn running on unix socket")
            with Peer(path) as peer:
                peer.open("/queue")
                server.wait_for("waiting")
                assert server.end() == -signal.SIGTERM
        assert "released" in server.log
        assert "Traceback" not in server.log


def test_new_workers_do_not_wait_for_old_handlers_for_ever(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    arguments = ("--workers", "2", "--timeout-graceful-shutdown", "1")
    with running("service", "--port", "0", *arguments, cwd=tmp_path) as server:
        port = server.wait_for_port()
        once_up(lambda: socket.create_connection(("127.0.0.1", port)).close())
        with Peer(("127.0.0.1", port)) as peer:
            peer.open("/queue")
            server.wait_for("waiting")
            server.process.send_signal(signal.SIGHUP)
            assert (peer.frame().opcode, peer.ended()) == (CLOSE, True)
        server.wait_for("released")
        with Peer(("127.0.0.1", port)) as peer:
            peer.open("/queue")
            server.wait_for("waiting")
            assert server.end() == 0
    assert "Traceback" not in server.log
