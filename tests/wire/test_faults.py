"""Networks and systems that misbehave: bytes cut anywhere, connections that break anywhere, no descriptors, clocks that
jump.

What is asserted is always the same: the answer does not change, or the connection ends and nothing is left.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from apps import echo
from peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, Peer, close_frame, frame, request

from measures import cpu_seconds, descriptors
from processes import running
from slower import SLOWER

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
from driver import Session  # noqa: E402

HEAD = request("/a?b=c", headers=[("Cookie", "d=e")], Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")
FRAMES = b"".join(
    [
        frame(TEXT, "é€𝄞".encode()),
        frame(BINARY, b"\x00" * 130),
        frame(PING, b"between"),
        frame(TEXT, b"one ", fin=False),
        frame(PING, b"inside"),
        frame(CONT, "twö".encode(), fin=False),
        frame(CONT, b"", fin=True),
        close_frame(1000, "done"),
    ]
)
RECORDED = HEAD + FRAMES


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(ws_ping_interval=None)
    yield made
    made.loop.close()


def test_the_cut_of_the_bytes_does_not_show(session: Session) -> None:
    """Every cut into two, and every byte alone."""
    events, written, closed = whole = session.run([RECORDED])
    texts = [event["text"] for event in events if event.get("text") is not None]
    assert texts == ["é€𝄞", "one twö"] and closed and events[-1]["code"] == 1000
    for at in range(1, len(RECORDED)):
        assert session.run([RECORDED[:at], RECORDED[at:]]) == whole, f"cut at byte {at}"
    assert session.run([RECORDED[at : at + 1] for at in range(len(RECORDED))]) == whole


def test_a_connection_may_break_at_every_byte(session: Session) -> None:
    """``Session.run`` ends with the loss of the connection, and asserts that no task and no connection is left."""
    for at in range(len(RECORDED)):
        events, written, closed = session.run([RECORDED[:at]] if at else [])
        assert bool(written) == (at >= len(HEAD)) and not closed
    # The application saw what had arrived, then one disconnect.
    assert [event["type"] for event in session.events].count("websocket.disconnect") == 1
    assert session.events[-1]["code"] == 1006


# ---- On real sockets ----


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert holds()


@pytest.mark.parametrize("way", ["reset", "half-close"])
def test_others_are_served_while_connections_break(serve: Any, loop_name: str, way: str) -> None:
    """A reset, and a half-close, at every ninth byte of the recorded bytes; WIREFAST_FAULT_STEP=1 takes every byte."""
    server = serve(echo, loop=loop_name, ws_ping_interval=None, log_level="warning")
    with server.opened() as canary:
        for at in range(1, len(RECORDED), int(os.environ.get("WIREFAST_FAULT_STEP", "9"))):
            with server.peer() as peer:
                peer.send(RECORDED[:at])
                if way == "reset":
                    peer.reset()
                else:
                    peer.sock.shutdown(socket.SHUT_WR)
                    # What the server still had to say, and then the end of its side.
                    assert peer.ended()
            assert canary.send(frame(TEXT, b"%d" % at)).frame().data == b"%d" % at
        state = server.server.server_state
        wait_until(lambda: server.call(lambda: (len(state.connections), len(state.tasks))) == (1, 1))
    assert server.errors == []


# ---- Descriptors ----

SERVICE = """
from wirefast import App, WebSocket

app = App()

@app.websocket("/")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)
"""


def echo_on(peers: list[Peer], data: bytes) -> None:
    for peer in peers:
        assert peer.send(frame(TEXT, data)).frame().data == data


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux sets the limit of another process")
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_accepting_goes_on_after_the_descriptors_ran_out(tmp_path: Path, loop: str) -> None:
    """Open sockets do not notice, nothing spins, and a free descriptor is used.

    uvloop keeps one in reserve, with which it takes connections and closes them. asyncio leaves them in the queue and
    tries again after a second, but does so as often as the backlog is long (docs/deployment.md), which is 1 here, and
    from Python 3.14 on once more.
    """
    (tmp_path / "service.py").write_text(SERVICE)
    backlog = "1" if loop == "asyncio" else "100"
    arguments = ("--port", "0", "--loop", loop, "--transport", "loop", "--backlog", backlog, "--no-control")
    with running("service", *arguments, cwd=tmp_path) as server:
        pid = server.process.pid
        with ExitStack() as stack:
            address = ("127.0.0.1", server.wait_for_port())

            def connect() -> Peer:
                return stack.enter_context(Peer(address, timeout=20 * SLOWER))

            first = connect()
            first.open()
            used = descriptors(pid)
            limit = max(used) + 4
            hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
            held = [connect() for _ in range(limit - len(used))]
            for peer in held:
                peer.open()
            assert len(descriptors(pid)) == limit
            # The kernel completes these connections, for which there are no descriptors.
            extra = [connect() for _ in range(2)]
            began, spent = time.monotonic(), cpu_seconds(pid)
            while time.monotonic() < began + 2:
                echo_on([first, *held], b"still here")
                time.sleep(0.05)
            if loop == "uvloop":
                assert all(peer.ended() for peer in extra)
            assert cpu_seconds(pid) - spent < 0.2 * (time.monotonic() - began) * SLOWER
            held.pop().sock.close()
            if loop == "uvloop":
                wait_until(lambda: len(descriptors(pid)) < limit)
                late = connect()
            else:
                late = extra[0]
            late.open()
            echo_on([first, *held, late], b"all of us")
            lasted = time.monotonic() - began
        # uvicorn ends in order, then by the signal.
        assert server.end() == -signal.SIGTERM
        assert "Finished server process" in server.log
    complaints = server.log.count("out of system resource")
    tries = 2 if sys.version_info >= (3, 14) else 1
    assert complaints <= (0 if loop == "uvloop" else tries * (lasted + 2)), server.log
    assert server.log.count("Traceback") == complaints


# ---- Clocks ----


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its clock can be set forward."""

    jumped = 0.0

    def time(self) -> float:
        return super().time() + self.jumped


@pytest.mark.parametrize("seconds", [3600.0, 86_400.0 * 365])
def test_a_jump_of_the_loops_clock_costs_one_ping(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a virtual machine was suspended: one ping, however many were missed, and whoever answers stays."""
    loop = JumpingLoop()
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loop)
    session = Session(ws_ping_interval=20.0, ws_ping_timeout=20.0)
    assert session.loop is loop
    try:
        protocol, transport = session.connect()
        protocol.data_received(HEAD)
        session.turn()
        start = len(transport.written)
        loop.jumped += seconds
        # The wheel's timer is due now; a turn of the selector lets it fire.
        for _ in range(50):
            session.turn(1)
        sent = bytes(transport.written[start:])
        assert (sent[0], len(sent)) == (0x80 | PING, 2 + sent[1]), sent
        protocol.data_received(frame(PONG, sent[2:]))
        loop.jumped += 15.0
        for _ in range(50):
            session.turn(1)
        assert bytes(transport.written[start:]) == sent and not transport.closing
        session.disconnect(protocol, transport)
    finally:
        loop.close()


def test_the_wall_clock_is_not_asked(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings go on, and nobody is closed, while the time of day jumps back and forth by a day."""
    real, calls = time.time, 0

    def jumping() -> float:
        nonlocal calls
        calls += 1
        return real() + 86_400 * (-1) ** calls

    server = serve(echo, ws_ping_interval=0.2, ws_ping_timeout=10.0)
    with server.opened() as peer:
        monkeypatch.setattr(time, "time", jumping)
        for _ in range(4):
            ping = peer.frame()
            assert ping.opcode == PING
            peer.send(frame(PONG, ping.data))
        monkeypatch.undo()
        peer.send(close_frame())
        while (last := peer.frame()).opcode == PING:
            pass
        assert (last.opcode, last.code) == (CLOSE, 1000)
