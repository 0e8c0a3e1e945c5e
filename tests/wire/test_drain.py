"""Draining on a real ``wirefast run``: what clients see, and what the application is told."""

from __future__ import annotations

import json
import re
import select
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
from typing import Literal
from pydantic import BaseModel
from wirefast import App, WebSocket

class Going(BaseModel):
    type: Literal["going"] = "going"
    name: str

@asynccontextmanager
async def lifespan(app):
    yield
    print("lifespan over", flush=True)

app = App(lifespan=lifespan)

@app.websocket("/echo")
async def echo(websocket: WebSocket):
    websocket.state.name = "ada"
    await websocket.accept()
    async for text in websocket.iter_text():
        print("got", text, flush=True)
        if text == "slow":
            await asyncio.sleep(1)
        await websocket.send_text(f"re: {text}")
    print("echo over", flush=True)

@app.websocket("/push")
async def push(websocket: WebSocket):
    await websocket.accept()
    await asyncio.Event().wait()

@app.websocket("/waits")
async def waits(websocket: WebSocket):
    print("waits", flush=True)
    await asyncio.Event().wait()

@app.get("/http")
async def http():
    return {"here": True}
"""

HOOKS = """
@app.on_drain
async def going(websocket: WebSocket):
    return Going(name=websocket.state.name) if websocket.url.path == "/echo" else None

@app.on_drain(deadline=0.2)
async def stuck(websocket: WebSocket):
    if websocket.url.path == "/push":
        await asyncio.Event().wait()

@app.on_drain
async def broken(websocket: WebSocket):
    if websocket.url.path == "/push":
        raise LookupError("broken hook")
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


def test_batches_are_spread(opened: Callable[..., Peer], tmp_path: Path) -> None:
    with service(tmp_path, "--drain-batch", "4", "--drain-every", "0.3") as (server, port):
        peers = [opened(port) for _ in range(12)]
        server.process.send_signal(signal.SIGTERM)
        arrived: dict[int, float] = {}
        while len(arrived) < len(peers):
            waiting = [peer.sock for peer in peers if peer.sock.fileno() not in arrived]
            for one in select.select(waiting, [], [], 20.0 * SLOWER)[0]:
                arrived[one.fileno()] = time.monotonic()
        server.end(0)
    assert max(arrived.values()) - min(arrived.values()) >= 0.5  # two pauses between three batches


def test_a_batch_larger_than_all_closes_at_once(opened: Callable[..., Peer], tmp_path: Path) -> None:
    with service(tmp_path, "--drain-batch", "12", "--drain-every", "30") as (server, port):
        peers = [opened(port) for _ in range(12)]
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for peer in peers:
            retry_of(peer.frame())
            peer.send(close_frame(1012))
        server.end(0)
    assert time.monotonic() - started < 20 * SLOWER


def test_batches_that_would_take_too_long_grow(opened: Callable[..., Peer], tmp_path: Path) -> None:
    arguments = ("--drain-batch", "1", "--drain-every", "0.5", "--timeout-graceful-shutdown", "5")
    with service(tmp_path, *arguments) as (server, port):
        peers = [opened(port) for _ in range(40)]
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for peer in peers:
            retry_of(peer.frame())
        assert time.monotonic() - started < 5 * SLOWER
        server.end(0)


def test_the_answer_to_a_message_is_sent_before_the_close(opened: Callable[..., Peer], tmp_path: Path) -> None:
    with service(tmp_path) as (server, port):
        peer = opened(port)
        peer.send(frame(TEXT, b"slow"))
        server.wait_for("got slow")
        server.process.send_signal(signal.SIGTERM)
        assert peer.frame().data == b"re: slow"
        retry_of(peer.frame())
        peer.send(close_frame(1012))
        server.end(0)
    assert "echo over" in server.log


def test_a_handler_that_never_receives_is_not_waited_for(opened: Callable[..., Peer], tmp_path: Path) -> None:
    with service(tmp_path, "--timeout-graceful-shutdown", "60") as (server, port):
        peer = opened(port, "/push")
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        retry_of(peer.frame())
        assert time.monotonic() - started < 5 * SLOWER
        server.process.send_signal(signal.SIGTERM)
        server.end(0)


def test_hooks_run_for_each_socket_and_what_they_return_is_sent(opened: Callable[..., Peer], tmp_path: Path) -> None:
    with service(tmp_path, text=SERVICE + HOOKS) as (server, port):
        echo, push = opened(port), opened(port, "/push")
        server.process.send_signal(signal.SIGTERM)
        assert json.loads(echo.frame().data) == {"type": "going", "name": "ada"}
        retry_of(echo.frame())
        retry_of(push.frame())
        for peer in (echo, push):
            peer.send(close_frame(1012))
        server.process.send_signal(signal.SIGTERM)
        server.end(0)
    assert "The on_drain hook stuck did not end in 0.2 seconds" in server.log
    assert "The on_drain hook broken failed" in server.log and "broken hook" in server.log


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
