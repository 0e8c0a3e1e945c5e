"""Draining on a real ``wirefast run``: signals, reloads, newcomers. What each socket sees is in test_draining.py."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peer import CLOSE, TEXT, Peer, close_frame, frame

from processes import ServerProcess, once_up, running
from slower import SLOWER

SERVICE = """
import asyncio
from contextlib import asynccontextmanager
from wirefast import App, WebSocket

@asynccontextmanager
async def lifespan(app):
    yield
    print("lifespan over", flush=True)

app = App(lifespan=lifespan)

@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        print("got", text, flush=True)
        if text == "slow":
            await asyncio.sleep(1)
        await websocket.send_text(f"re: {text}")
    print("echo over", flush=True)

@app.websocket("/waits")
async def waits(websocket: WebSocket):
    print("waits", flush=True)
    await asyncio.Event().wait()

@app.websocket("/deaf")
async def deaf(websocket: WebSocket):
    await websocket.accept()
    await asyncio.Event().wait()

@app.get("/http")
async def http():
    return {"here": True}
"""


@pytest.fixture
def opened() -> Iterator[Callable[..., Peer]]:
    """Open sockets, which are closed after the test."""
    peers: list[Peer] = []

    def open_one(port: int, path: str | None = "/echo") -> Peer:
        peers.append(Peer(("127.0.0.1", port), timeout=20.0 * SLOWER))
        if path is not None:
            peers[-1].open(path)
        return peers[-1]

    yield open_one
    for peer in peers:
        peer.sock.close()


@contextmanager
def service(directory: Path, *more: str, text: str = SERVICE) -> Iterator[tuple[ServerProcess, int]]:
    (directory / "service.py").write_text(text)
    with running("service", "--port", "0", *more, cwd=directory) as server:
        port = server.wait_for_port()
        once_up(lambda: socket.create_connection(("127.0.0.1", port)).close())
        yield server, port


def retry_of(found: object) -> int:
    """The milliseconds in the reason of a close frame of a drain."""
    assert (found.opcode, found.code) == (CLOSE, 1012)  # type: ignore[attr-defined]
    told = re.fullmatch(r"retry=(\d+)", found.reason)  # type: ignore[attr-defined]
    assert told is not None, found
    return int(told[1])


def test_a_close_says_when_to_come_back_and_the_times_differ(opened: Callable[..., Peer], tmp_path: Path) -> None:
    with service(tmp_path) as (server, port):
        peers = [opened(port) for _ in range(20)]
        server.process.send_signal(signal.SIGTERM)
        times = [retry_of(peer.frame()) for peer in peers]
        for peer in peers:
            peer.send(close_frame(1012))
        server.end(0)
    assert len(set(times)) > 10
    assert max(times) <= 500  # as long as there are few, they may come back soon
    assert "lifespan over" in server.log and "Traceback" not in server.log


def test_who_comes_while_it_drains_is_told_to_come_later(opened: Callable[..., Peer], tmp_path: Path) -> None:
    with service(tmp_path) as (server, port):
        first, pending = opened(port), opened(port, None)
        first.send(frame(TEXT, b"slow"))
        server.wait_for("got slow")
        pending.send(
            b"GET /waits HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        server.wait_for("waits")
        server.process.send_signal(signal.SIGTERM)
        answer = pending.response()
        assert (answer.status, answer.header("retry-after")) == (503, "2")
        with Peer(("127.0.0.1", port), timeout=20.0) as late:
            late.send(
                b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            answer = late.response()
            assert (answer.status, answer.header("retry-after")) == (503, "2")
        with Peer(("127.0.0.1", port), timeout=20.0) as plain:
            plain.send(b"GET /http HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = plain.response()
            assert (answer.status, answer.header("connection")) == (200, "close")
        assert first.frame().data == b"re: slow"
        retry_of(first.frame())
        server.process.send_signal(signal.SIGTERM)  # the handler of /waits would take the whole of its time
        server.end(0)


def test_the_metrics_port_answers_probes_while_handlers_are_waited_for(
    opened: Callable[..., Peer], tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port of the service listens until the sockets are closed, the metrics port until the end."""
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    with service(tmp_path, "--health", "/healthz", "--metrics-port", "0") as (server, port):
        found = re.search(r"Metrics on http://127\.0\.0\.1:(\d+)", server.log)
        assert found is not None
        deaf = opened(port, "/deaf")
        server.process.send_signal(signal.SIGTERM)
        assert deaf.frame().opcode == CLOSE
        deaf.sock.close()
        server.wait_for("Waiting for background tasks to complete")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=20.0 * SLOWER)
        for path, status in (("/readyz", 503), ("/healthz", 200)):
            with Peer(("127.0.0.1", int(found[1])), timeout=20.0 * SLOWER) as probe:
                probe.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert probe.response().status == status
        server.process.send_signal(signal.SIGTERM)  # the handler would take the whole of its time
        server.end(0)


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_second_signal_ends_at_once(opened: Callable[..., Peer], tmp_path: Path, more: tuple[str, ...]) -> None:
    arguments = ("--timeout-graceful-shutdown", "60", "--drain-every", "30", "--drain-batch", "1", *more)
    with service(tmp_path, *arguments) as (server, port):
        for _ in range(8):
            opened(port)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("Draining")
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.end(0)
        assert time.monotonic() - started < 3 * SLOWER
    assert "Traceback" not in server.log


def test_a_reload_loses_nobody_who_waits(opened: Callable[..., Peer], tmp_path: Path) -> None:
    """On SIGHUP the sockets are sent away one worker after the other; newcomers are served all the time."""
    with service(tmp_path, "--workers", "2") as (server, port):
        peers = [opened(port) for _ in range(16)]
        server.process.send_signal(signal.SIGHUP)
        for peer in peers:
            retry_of(peer.frame())
            peer.send(close_frame(1012))
            with opened(port) as again:  # no 503, no refused connection
                again.send(frame(TEXT, b"hello"))
                seen = again.frame()
                assert seen.data == b"re: hello" or retry_of(seen) >= 0
        server.end()
    assert "Traceback" not in server.log


def test_the_bounds_of_the_options(tmp_path: Path) -> None:
    from processes import wirefast

    (tmp_path / "service.py").write_text(SERVICE)
    for option, value, words in [
        ("--drain-batch", "0", "--drain-batch 0 is not 1 or more"),
        ("--drain-every", "-1", "--drain-every -1 is not 0 or more"),
        ("--drain-every", "3601", "--drain-every 3601 is not between 0 and 3600"),
    ]:
        ended = wirefast("run", "service", option, value, cwd=tmp_path)
        assert ended.returncode == 2
        assert words in ended.stderr
