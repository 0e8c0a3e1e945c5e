"""Rooms across workers without a broker: the cases of every broker over the relay, and its own bounds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker_cases import QUICK, BrokerCases, run
from broker_servers import BrokerProcess, Ear, LocalProcess, until
from peer import TEXT, Peer, close_frame, frame

from processes import running
from slower import SLOWER
from wirefast.rooms.brokers import BrokerUnavailable, frames
from wirefast.rooms.brokers.base import InvalidBrokerURL
from wirefast.rooms.brokers.local import LocalBroker
from wirefast.rooms.brokers.relay import BACKLOG_MAX, Relay, WorkerConnection
from wirefast.rooms.brokers.supervisor import BrokerLimits


class TestLocal(BrokerCases):
    process_class = LocalProcess
    broker_class = LocalBroker

    # The relay asks for no password: who may enter the private directory of mode 0700 may connect. Its URL is made by
    # the supervisor, so that no command line can have it wrong.
    test_a_wrong_password_is_one_line = None  # type: ignore[assignment]
    test_a_password_that_changed_while_it_was_away = None  # type: ignore[assignment]
    test_a_server_process_that_cannot_start_says_so_in_one_line = None  # type: ignore[assignment]

    def test_unreachable_at_start_is_one_line(self, process: BrokerProcess) -> None:
        process.end()  # its supervisor too, which keeps the socket
        self.refused(process.url, str(process.address))
        self.refused("local:///nowhere/rooms.sock", "No such file")

    def test_a_server_that_says_nothing_is_one_line(self, short_path: Path) -> None:  # type: ignore[override]
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(short_path / "silent.sock"))
            silent.listen()
            self.refused(f"local://{short_path}/silent.sock", "no answer within", BrokerLimits(connect_within=0.2))

    def test_a_server_of_something_else_is_one_line(self, short_path: Path) -> None:  # type: ignore[override]
        async def scene() -> None:
            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                await reader.read()
                writer.close()

            server = await asyncio.start_unix_server(answer, short_path / "other.sock")
            with pytest.raises(BrokerUnavailable) as caught:
                await Ear(LocalBroker(f"local://{short_path}/other.sock", QUICK)).start()
            assert "\n" not in str(caught.value)
            server.close()

        run(scene())

    def test_a_relay_that_stands_still_is_noticed(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            ear = await Ear(LocalBroker(process.url, QUICK)).start("a")
            assert process.process is not None
            process.process.send_signal(signal.SIGSTOP)
            await until(lambda: not ear.broker.connected)
            process.process.send_signal(signal.SIGCONT)
            await until(lambda: ear.broker.connected)
            await until(lambda: "a" in ear.gaps)
            await ear.broker.stop()

        run(scene())

    def test_what_is_too_large_is_refused(self, process: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frames, "FRAME_MAX", 1000)

        async def scene() -> None:
            ear = await Ear(LocalBroker(process.url, QUICK)).start("a")
            other = LocalBroker(process.url, QUICK)
            await other.start(lambda room, payload: None, lambda rooms: None)
            room = len("wirefast:a")
            other.publish("a", b"x" * (1000 - 7 - room))
            other.publish("a", b"x" * (1001 - 7 - room))
            await other.flush()
            assert other.dropped == 1
            await until(lambda: len(ear.heard) == 1)
            for broker in (ear.broker, other):
                await broker.stop()

        run(scene())

    def test_a_worker_that_speaks_another_language_is_let_go(self, process: BrokerProcess) -> None:
        for data in (b"\0\0\0\0\1", b"\xff\xff\xff\xff\1", b"\1\0\0\0\x63", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(str(process.path))  # type: ignore[attr-defined]
                client.sendall(data)
                assert client.recv(1) == b""


def test_a_worker_that_does_not_read_is_let_go_of(capsys: pytest.CaptureFixture[str]) -> None:
    class Transport:
        waiting = BACKLOG_MAX
        aborted = False

        def is_closing(self) -> bool:
            return self.aborted

        def write(self, data: bytes) -> None:
            self.waiting += len(data)

        def get_write_buffer_size(self) -> int:
            return self.waiting

        def abort(self) -> None:
            self.aborted = True

    relay = Relay()
    speaker, reader, deaf = WorkerConnection(relay), WorkerConnection(relay), WorkerConnection(relay)
    for connection in (speaker, reader, deaf):
        connection.transport = Transport()
        connection.transport.waiting = 0
        connection.data_received(frames.frame(frames.ADD, [b"room"]))
    whole = frames.message(b"room", b"x")
    deaf.transport.waiting = BACKLOG_MAX - len(whole)
    speaker.data_received(whole)
    assert not deaf.transport.aborted  # at the bound
    speaker.data_received(whole)
    assert deaf.transport.aborted and "does not read" in capsys.readouterr().err
    deaf.connection_lost(None)
    speaker.data_received(whole)
    assert reader.transport.waiting == 3 * len(whole) and speaker.transport.waiting == 0
    reader.connection_lost(None)
    speaker.connection_lost(None)
    assert not relay.rooms


def test_frames_in_any_division() -> None:
    parts = [frames.frame(frames.SYNC), frames.frame(frames.ADD, [b"", b"x" * 300])]
    whole = b"".join([frames.message(b"room", b"payload"), *parts])
    expected = list(frames.Splitter().feed(whole))
    assert len(expected) == 3 and b"".join(expected) == whole
    for size in range(1, 20):
        splitter = frames.Splitter()
        found = [one for at in range(0, len(whole), size) for one in splitter.feed(whole[at : at + size])]
        assert found == expected
    assert list(frames.names_of(expected[2][5:])) == [b"", b"x" * 300]
    room, at = frames.split_message(expected[0])
    assert (room, expected[0][at:]) == (b"room", b"payload")


@pytest.mark.parametrize("body", [b"\1", b"\2\0x", b"\1\0x\5\0x"])
def test_names_that_are_cut(body: bytes) -> None:
    with pytest.raises(frames.FrameError):
        list(frames.names_of(body))


@pytest.mark.parametrize("url", ["local://", "local://host/path"])
def test_urls_that_mean_nothing(url: str) -> None:
    with pytest.raises(InvalidBrokerURL, match="local:///path"):
        LocalBroker(url)


SERVICE = """
import os
from wirefast import App, WebSocket
from wirefast.rooms import Hub

hub = Hub(on_gap=lambda room: gaps.append(room), local=LOCAL)
gaps = []
app = App(hub=hub)

@app.websocket("/")
async def room(websocket: WebSocket):
    await websocket.accept()
    async with hub.join("lobby", websocket):
        await websocket.send_json({"pid": os.getpid()})
        async for text in websocket.iter_text():
            if text == "gaps":
                await websocket.send_json({"gaps": len(gaps)})
            else:
                await hub.publish("lobby", text)
"""


@pytest.fixture
def opened() -> Iterator[Callable[[int], tuple[Peer, int]]]:
    peers: list[Peer] = []

    def open_one(port: int) -> tuple[Peer, int]:
        peers.append(Peer(("127.0.0.1", port), timeout=20.0 * SLOWER))
        peers[-1].open("/")
        return peers[-1], json.loads(peers[-1].frame().data)["pid"]

    yield open_one
    for peer in peers:
        peer.sock.close()


def members(opened: Callable[[int], tuple[Peer, int]], port: int, workers: int) -> dict[int, Peer]:
    """A member in each of the workers."""
    found: dict[int, Peer] = {}
    deadline = time.monotonic() + 60 * SLOWER
    while len(found) < workers:
        assert time.monotonic() < deadline
        peer, pid = opened(port)
        if pid in found:
            peer.send(close_frame())
        else:
            found[pid] = peer
    return found


def say(speaker: Peer, text: str) -> None:
    speaker.send(frame(TEXT, text.encode()))


def test_members_of_all_workers_hear_and_the_relay_may_be_killed(
    opened: Callable[[int], tuple[Peer, int]], short_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    (tmp_path / "service.py").write_text(SERVICE.replace("LOCAL", "True"))
    with running("service", "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        port = server.wait_for_port()
        relay = int(server.wait_for(r"Started the relay of rooms \[(\d+)\]")[1])
        for _ in range(2):
            server.wait_for("Application startup complete")
        first, second = members(opened, port, 2).values()
        say(first, "one")
        assert first.frame().data == second.frame().data == b"one"
        os.kill(relay, signal.SIGKILL)
        server.wait_for(r"The relay of rooms \[\d+\] died")
        server.wait_for(r"Started the relay of rooms")
        for _ in range(2):
            server.wait_for("is back after")
        # Each worker was told, and the rooms are whole again.
        deadline = time.monotonic() + 20 * SLOWER
        for peer in (first, second):
            while True:
                say(peer, "gaps")
                if json.loads(peer.frame().data)["gaps"]:
                    break
                assert time.monotonic() < deadline
        say(second, "two")
        assert first.frame().data == second.frame().data == b"two"
        for peer in (first, second):
            peer.send(close_frame())
        assert server.end() == 0
    assert "Traceback" not in server.log, server.log
    assert list((short_path / "run").iterdir()) == []


def test_a_hub_may_stay_alone(
    opened: Callable[[int], tuple[Peer, int]], short_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    (tmp_path / "service.py").write_text(SERVICE.replace("LOCAL", "False"))
    with running("service", "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        port = server.wait_for_port()
        first, second = members(opened, port, 2).values()
        say(first, "one")
        assert first.frame().data == b"one"
        say(second, "two")
        assert second.frame().data == b"two"  # not the other worker's
        for peer in (first, second):
            peer.send(close_frame())
        server.end()
    assert "relay" not in server.log and "no broker" not in server.log
