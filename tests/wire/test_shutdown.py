"""SIGTERM to a real ``wirefast run`` with many open sockets.

WIREFAST_SHUTDOWN_SOCKETS sets how many (300 by default); each takes a file descriptor here and one in the server.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from peer import CLOSE, TEXT, Peer, close_frame, frame

from processes import running

SOCKETS = int(os.environ.get("WIREFAST_SHUTDOWN_SOCKETS", "300"))

SERVICE = """
from contextlib import asynccontextmanager
from wirefast import App, Depends, WebSocket

count = {"released": 0, "codes": set()}

@asynccontextmanager
async def lifespan(app):
    yield
    print("released", count["released"], sorted(count["codes"]), flush=True)

async def resource():
    try:
        yield
    finally:
        count["released"] += 1

app = App(lifespan=lifespan)

@app.websocket("/", dependencies=[Depends(resource)])
async def echo(websocket: WebSocket):
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        await websocket.send_text(message["text"])
    count["codes"].add(message["code"])
"""


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough file descriptors, also for the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = SOCKETS + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} file descriptors, the limit is {hard}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_F14_sigterm_tells_every_socket_and_ends_in_time(descriptors: None, tmp_path: Path, loop: str) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    arguments = ["service", "--port", "0", "--loop", loop, "--log-level", "info", "--timeout-graceful-shutdown", "20"]
    # On a busy machine the peers are there for longer than it takes to the first ping.
    arguments += ["--ws-ping-interval", "600"]
    with running(*arguments, cwd=tmp_path) as server, ExitStack() as stack:
        port = server.wait_for_port()
        peers = []
        for _ in range(SOCKETS):
            # Opened at once: a connection that waits for its turn runs into the handshake timeout.
            peers.append(stack.enter_context(Peer(("127.0.0.1", port), timeout=30.0)))
            peers[-1].open("/")
        # The last messages before the signal are answered, and are there to be read after it.
        for peer in peers[::3]:
            peer.send(frame(TEXT, b"last"))
        for peer in peers[::3]:
            assert peer.frame().data == b"last"
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        closes = []
        for number, peer in enumerate(peers):
            closes.append(peer.frame())
            # Every third never answers.
            if number % 3:
                peer.send(close_frame(1012))
        assert {(found.opcode, found.code) for found in closes} == {(CLOSE, 1012)}
        code = server.end(0)  # a second SIGTERM would end the server at once
        took = time.monotonic() - started
        assert all(peer.ended() for peer in peers)
    # Two seconds for the peers that do not answer; the rest is a busy machine's.
    assert took < 30
    assert code in (0, -signal.SIGTERM)
    assert "Traceback" not in server.log and "ERROR" not in server.log
    assert f"released {SOCKETS} [1012]" in server.log
    print(f"{SOCKETS} sockets on {loop}: {took:.2f} s from SIGTERM to the exit")
