"""Limits that real processes share, by a real Redis that is killed and started again."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from broker_servers import RedisProcess
from peer import CLOSE, TEXT, Peer, frame, request

from processes import running
from slower import SLOWER

SERVICE = """
import os
from wirefast import App, Limits, Rate, WebSocket
from wirefast.rooms import Hub

hub = Hub(os.environ["REDIS"])

def name_of(websocket):
    return websocket.query_params.get("user")

app = App(hub=hub, limits=Limits(per_user=3, user=name_of, evict="oldest", handshakes=Rate(20, per=1000.0), store=hub))

@app.websocket("/")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(str(os.getpid()))
"""


def test_two_processes(short_path: Path, tmp_path: Path, monkeypatch: object) -> None:
    redis = RedisProcess(short_path)
    (tmp_path / "service.py").write_text(SERVICE.replace('os.environ["REDIS"]', repr(redis.url)))
    try:
        with ExitStack() as stack:
            servers = [
                stack.enter_context(running("service", "--port", "0", "--no-access-log", cwd=tmp_path)) for _ in "ab"
            ]
            ports = [server.wait_for_port() for server in servers]

            def connect(place: int, user: str = "ada") -> Peer | int:
                peer = stack.enter_context(Peer(("127.0.0.1", ports[place]), timeout=20.0 * SLOWER))
                peer.send(request(f"/?user={user}"))
                status = peer.response().status
                return peer if status == 101 else status

            def opened(place: int, user: str = "ada") -> Peer:
                peer = connect(place, user)
                assert isinstance(peer, Peer), peer
                return peer

            peers = [opened(number % 2) for number in range(8)]
            for peer in peers[:5]:
                got = peer.answer()
                assert (got.opcode, got.code, got.reason) == (CLOSE, 4409, "too many sockets of this user")
            pids = set()
            for peer in peers[5:]:
                peer.send(frame(TEXT, b"x"))
                pids.add(peer.answer().data)
            assert len(pids) == 2

            redis.kill()
            for server in servers:
                server.wait_for("Limits are counted in this process alone until Redis is back")
            for place in (0, 1):
                opened(place, "bob")
            redis.restart()
            for server in servers:
                server.wait_for("Limits are counted by Redis again after")

            # Both came back with the sockets that they had: one more, and an old one of the three gives way. The three
            # came within a millisecond or two, so their new ages do not tell which was the first.
            newest = opened(0)
            newest.send(frame(TEXT, b"x"))
            assert newest.answer().opcode == TEXT
            gone, deadline = 0, time.monotonic() + 20 * SLOWER
            while not gone:
                assert time.monotonic() < deadline
                for peer in peers[5:]:
                    peer.send(frame(TEXT, b"x"))
                answers = [peer.answer() for peer in peers[5:]]
                gone = sum((got.opcode, got.code) == (CLOSE, 4409) for got in answers)
            assert gone == 1

            # The rates of both processes began anew with Redis: so many are let in, and no more, wherever they come.
            left = eventually_refused(lambda number: connect(number % 2, f"user-{number}"))
            assert left < 20
    finally:
        redis.end()


def eventually_refused(connect: Callable[[int], Peer | int]) -> int:
    deadline = time.monotonic() + 60 * SLOWER
    number = 0
    while isinstance(found := connect(number), Peer):
        assert time.monotonic() < deadline
        number += 1
    assert found == 429
    return number
