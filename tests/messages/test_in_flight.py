"""``in_flight``: so many handlers of one socket run at once, and then the peer is held back."""

import asyncio
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from websockets.sync.client import connect

from wirefast import App

Open = Callable[..., Any]


class Work(BaseModel):
    type: Literal["work"]
    number: int
    padding: str = ""


class Done(BaseModel):
    number: int


class Gate:
    """Handlers that wait until they are let go, and what they did."""

    def __init__(self, in_flight: int) -> None:
        self.app = App()
        self.lock = threading.Condition()
        self.begun: list[int] = []
        self.running = self.most = 0
        self.loop: Any = None
        self.gates: dict[int, asyncio.Event] = {}
        room = self.app.messages("/", in_flight=in_flight)

        @room.on(concurrent=True)
        async def work(message: Work) -> Done:
            gate = asyncio.Event()
            with self.lock:
                self.loop = asyncio.get_running_loop()
                self.gates[message.number] = gate
                self.begun.append(message.number)
                self.running += 1
                self.most = max(self.most, self.running)
                self.lock.notify_all()
            try:
                await gate.wait()
            finally:
                with self.lock:
                    self.running -= 1
            return Done(number=message.number)

    def wait_for(self, begun: int) -> None:
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.begun) >= begun, 20), self.begun

    def let_go(self, number: int) -> None:
        self.loop.call_soon_threadsafe(self.gates[number].set)


@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_no_more_run_than_may(talk: Open, in_flight: int) -> None:
    gate = Gate(in_flight)
    peer = talk(gate.app, "/")
    total = in_flight + 5
    for number in range(total):
        peer.send({"type": "work", "number": number, "ref": number})
    for number in range(total):
        gate.wait_for(min(number + in_flight, total))
        # The next one begins when this one has ended, and not before: the others are all that run.
        with gate.lock:
            assert gate.begun == list(range(min(number + in_flight, total)))
        gate.let_go(number)
        assert peer.receive() == {"ref": number, "number": number}
    assert gate.most == in_flight


@pytest.fixture
def served() -> Iterator[tuple[Gate, Any]]:
    from serving import serving

    gate = Gate(2)
    with serving(gate.app) as server:
        yield gate, server


def test_the_peer_is_held_back(served: tuple[Gate, Any]) -> None:
    """Once two run, what the peer sends stays in its own kernel after the bounds of ours; then all of it is read."""
    gate, server = served
    with connect(server.url + "/", proxy=None) as peer:
        sock = peer.socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        # As frames with a mask that changes nothing.
        text = json.dumps({"type": "work", "number": 0, "padding": "x" * 70_000})
        sent, pending = 0, memoryview(b"")
        while select.select([], [sock], [], 0.5)[1]:
            if not pending:
                body = text.replace('"number": 0', f'"number": {sent}').encode()
                pending = memoryview(b"\x81\xff" + len(body).to_bytes(8, "big") + bytes(4) + body)
                sent += 1
            pending = pending[sock.send(pending, socket.MSG_DONTWAIT) :]
            assert sent < 1000, "70 MB were taken while two handlers wait"
        assert gate.begun == [0, 1]
        sock.sendall(pending)
        for number in range(sent):
            gate.wait_for(number + 1)
            gate.let_go(number)
        assert sorted(json.loads(peer.recv(timeout=20))["number"] for _ in range(sent)) == list(range(sent))
        assert gate.most == 2
