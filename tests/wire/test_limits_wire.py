"""Limits on real sockets: floods just under and over, forged headers, and ten thousand sockets that expire at once."""

import json
import resource
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from peer import CLOSE, TEXT, Peer, frame, request
from serving import Served

from processes import ServerProcess
from slower import SLOWER
from wirefast import App, Limits, Rate, WebSocket

pytestmark = pytest.mark.both_transports

SERVERS = ["wirefast.server:WebSocketProtocol", "websockets-sansio", "wsproto"]


def application(limits: Limits | None = None) -> App:
    app = App(limits=limits)

    @app.websocket("/")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return app


def echoed(served: Served, count: int, size: int = 1) -> tuple[int, tuple[int | None, str] | None]:
    """How many of so many messages, sent in one write, came back; and how the socket was closed."""
    with served.opened() as peer:
        peer.send(frame(TEXT, b"x" * size) * count)
        for number in range(count):
            got = peer.frame()
            if got.opcode == CLOSE:
                return number, (got.code, got.reason)
    return count, None


@pytest.mark.parametrize("ws", SERVERS)
def test_floods_just_under_and_just_over(serve: Callable[..., Served], ws: str) -> None:
    limits = Limits(
        messages=Rate(1, per=1000.0, burst=100), message_bytes=1000, bytes=Rate(1, per=1000.0, burst=50_000)
    )
    served = serve(application(limits), loop="uvloop", ws=ws)
    assert echoed(served, 100) == (100, None)
    assert echoed(served, 101) == (100, (1008, "too many messages"))
    assert echoed(served, 50, 1000) == (50, None)
    assert echoed(served, 51, 1000) == (50, (1008, "too many bytes"))
    assert echoed(served, 1, 1001)[1] in ((1009, "message too big"), (1009, ""))


@pytest.mark.parametrize("ws", SERVERS)
def test_a_flood_that_is_dropped(serve: Callable[..., Served], ws: str) -> None:
    limits = Limits(messages=Rate(1, per=1000.0, burst=10), on_excess="drop", idle=1.0)
    served = serve(application(limits), loop="uvloop", ws=ws)
    with served.opened() as peer:
        peer.send(frame(TEXT, b"x") * 5000)
        assert [peer.frame().opcode for _ in range(10)] == [TEXT] * 10
        last = peer.frame()
        assert (last.opcode, last.code, last.reason) == (CLOSE, 4408, "no message for too long")
    assert limits.refused["messages"] == 4990


@pytest.mark.parametrize("ws", SERVERS)
def test_a_flood_that_is_delayed(serve: Callable[..., Served], ws: str) -> None:
    served = serve(application(Limits(messages=Rate(50, per=1.0, burst=5), on_excess="delay")), loop="uvloop", ws=ws)
    began = time.monotonic()
    assert echoed(served, 30) == (30, None)
    assert 0.45 < time.monotonic() - began < 20


@pytest.mark.parametrize("ws", SERVERS)
def test_times(serve: Callable[..., Served], ws: str) -> None:
    served = serve(application(Limits(first_message=0.3, lifetime=1.0)), loop="uvloop", ws=ws)
    with served.opened() as silent, served.opened() as busy:
        busy.send(frame(TEXT, b"x"))
        assert busy.frame().opcode == TEXT
        for peer, code in ((silent, 4408), (busy, 1012)):
            got = peer.frame()
            assert (got.opcode, got.code) == (CLOSE, code)


def status(served: Served, address: str | None = None) -> tuple[int, Peer]:
    peer = served.peer()
    peer.send(request(headers=[] if address is None else [("X-Forwarded-For", address)]))
    return peer.response().status, peer


def test_forged_addresses(serve: Callable[..., Served]) -> None:
    """The header counts from a proxy that is trusted, and from nobody else."""
    limits = Limits(per_ip=2)
    served = serve(application(limits), loop="uvloop", forwarded_allow_ips="10.9.9.9")
    found = [status(served, f"1.2.3.{number}") for number in range(4)]
    assert [code for code, _ in found] == [101, 101, 429, 429]
    trusting = serve(application(Limits(per_ip=2)), loop="uvloop", forwarded_allow_ips="127.0.0.1")
    codes = [
        status(trusting, address)[0] for address in ("1.2.3.4", "1.2.3.4", "1.2.3.4", "1.2.3.5", "6.6.6.6, 1.2.3.4")
    ]
    assert codes == [101, 101, 429, 101, 429]
    networks = [status(trusting, f"2001:db8::{number}")[0] for number in range(3)]
    assert networks == [101, 101, 429]
    assert status(trusting, "2001:db8:0:1::1")[0] == 101


def test_connections_come_back_after_resets(serve: Callable[..., Served]) -> None:
    limits = Limits(connections=20, per_ip=20)
    served = serve(application(limits), loop="uvloop")
    for _ in range(5):
        peers = [served.opened() for _ in range(20)]
        code, refused = status(served)
        assert code == 503
        for number, peer in enumerate(peers):
            peer.reset() if number % 2 else peer.sock.close()
        refused.sock.close()
        deadline = time.monotonic() + 20
        while served.call(lambda: limits.open):
            assert time.monotonic() < deadline, "a count stays"
            time.sleep(0.01)
    assert served.call(lambda: limits.ledger.by_ip) == {}


# ---- Expiry ----

SERVICE = '''
import asyncio, time
from wirefast import App, WebSocket

app = App()
worst = [0.0]
closed = [0]


async def watch():
    """The most CPU time that the process used between two turns of a task that does nothing: how long others wait."""
    while True:
        began = time.process_time()
        await asyncio.sleep(0.001)
        worst[0] = max(worst[0], time.process_time() - began)


@app.get("/watch")
async def begin():
    app.state.task = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    worst[0] = 0.0


@app.get("/worst")
async def found():
    return [worst[0], closed[0]]


@app.websocket("/")
async def socket(websocket: WebSocket, at: float):
    websocket.expires_at = at
    await websocket.accept()
    async for _ in websocket.iter_text():
        pass
    closed[0] += 1
'''


@pytest.fixture
def many() -> Iterator[int]:
    """How many descriptors there may be."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_ten_thousand_expire_in_one_second(tmp_path: Path, many: int) -> None:
    sockets = 10_000
    if many < sockets + 500:
        pytest.skip(f"needs {sockets + 500} file descriptors, and may have {many}")
    (tmp_path / "service.py").write_text(SERVICE)
    server = ServerProcess("service:app", "--port", "0", "--no-access-log", "--ws-ping-interval", "0", cwd=tmp_path)
    peers: list[Peer] = []
    try:
        port = server.wait_for_port()
        at = time.time() + 30 * SLOWER

        def get(path: str) -> Any:
            with closing(urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60)) as answer:
                return json.load(answer)

        for first in range(0, sockets, 100):
            batch = [Peer(("127.0.0.1", port), timeout=60 * SLOWER) for _ in range(100)]
            for number, peer in enumerate(batch, first):
                peer.send(request(f"/?at={at + number / sockets}"))
            for peer in batch:
                assert peer.response().status == 101
            peers += batch
        assert time.time() < at - 1, "the sockets took too long to open"
        get("watch")
        for peer in peers:
            got = peer.frame()
            assert (got.opcode, got.code, got.reason) == (CLOSE, 4401, "permission expired")
            assert time.time() >= at
        worst, closed = get("worst")
        assert closed == sockets
        assert worst < 0.05 * SLOWER, f"others waited for {worst:.3f} s"
    finally:
        for peer in peers:
            peer.sock.close()
        server.end()
