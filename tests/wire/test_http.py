"""``HttpProtocol``: limits before the upgrade, the direct hand-over, and plain HTTP as uvicorn serves it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from apps import echo, echo_and_http
from peer import TEXT, close_frame, frame, request

import wirefast.server.http
from memory import Memory, MemoryTransport
from wirefast.server.handshake import inspect_head
from wirefast.server.http import HttpProtocol
from wirefast.server.protocol import WebSocketProtocol


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake timeout that a test can wait for."""
    monkeypatch.setattr(wirefast.server.http, "HEAD_TIMEOUT", 0.4)


def test_the_timeout_is_ten_seconds() -> None:
    assert wirefast.server.http.HEAD_TIMEOUT == 10.0


def test_HS01_silence_ends(serve: Any, soon: None) -> None:
    server = serve(echo)
    peers = [server.peer() for _ in range(50)]
    assert all(peer.ended() for peer in peers)


def test_HS02_dripping_ends(serve: Any, soon: None) -> None:
    server = serve(echo)
    with server.peer() as peer:
        started = time.monotonic()
        data = request(headers=[("X-Long", "x" * 1000)])
        try:
            for position in range(len(data)):
                peer.send(data[position : position + 1])
                time.sleep(0.02)
        except OSError:
            pass
        # All of it would take more than twenty seconds.
        assert time.monotonic() - started < 15.0
    with server.peer() as peer:
        peer.send(b"GET / HT")
        assert peer.response().status == 408


def test_a_later_request_may_not_drip_either(serve: Any, soon: None) -> None:
    server = serve(echo_and_http)
    with server.peer() as peer:
        peer.send(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.response().body == b"GET /one"
        peer.send(b"GET /two HTTP/1.1\r\nHost: a\r\n")
        assert peer.response().status == 408
        assert peer.ended()


def test_plain_http_and_keep_alive(serve: Any) -> None:
    server = serve(echo_and_http)
    with server.peer() as peer:
        for number in range(3):
            peer.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            assert peer.response().body == b"GET /%d" % number
        peer.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        assert peer.response().body == b"POST /body"
        peer.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [peer.response().body for _ in range(2)] == [b"GET /a", b"GET /b"]


def test_an_upgrade_after_a_request(serve: Any) -> None:
    server = serve(echo_and_http)
    with server.peer() as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.response().status == 200
        peer.open()
        peer.send(frame(TEXT, b"x"))
        assert peer.frame().data == b"x"
        peer.send(close_frame()).frame()


def test_frames_in_the_segment_of_the_request(serve: Any) -> None:
    server = serve(echo)
    with server.peer() as peer:
        peer.send(request(), frame(TEXT, b"eager"))
        assert peer.response().status == 101
        assert peer.frame().data == b"eager"


@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"a" * 8000 + b"\r\n" * 9 + b"\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 9 + b"\r\n", 431),
    ],
    ids=["line", "header", "count", "fits", "total"],
)
def test_limits_of_plain_requests(serve: Any, first: bool, head: bytes, status: int) -> None:
    server = serve(echo_and_http)
    with server.peer() as peer:
        if not first:
            peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert peer.response().status == 200
        peer.send(head)
        assert peer.response().status == status
        assert status == 200 or peer.ended()


def test_another_websocket_protocol_is_respected(serve: Any) -> None:
    server = serve(echo, ws="websockets-sansio")
    with server.opened() as peer:
        peer.send(frame(TEXT, b"x"))
        assert peer.frame().data == b"x"
        protocol = next(iter(server.server.server_state.connections))
        assert type(protocol).__name__ == "WebSocketsSansIOProtocol"
        peer.send(close_frame()).frame()


def test_malformed_http_is_400(serve: Any) -> None:
    server = serve(echo_and_http)
    with server.peer() as peer:
        peer.send(b"\x16\x03\x01\x00\xff garbage\r\n\r\n")
        assert peer.response().status == 400
        assert peer.ended()


def test_shutdown_closes_silent_connections(serve: Any) -> None:
    server = serve(echo)
    with server.peer() as peer:
        while not server.call(lambda: len(server.server.server_state.connections)):
            pass
        server.server.should_exit = True
        assert peer.ended()


def test_an_endless_header_of_a_later_request(serve: Any) -> None:
    server = serve(echo_and_http)
    with server.peer() as peer:
        peer.send(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.response().status == 200
        peer.send(b"GET /two HTTP/1.1\r\nHost: a\r\nX: ")
        try:
            for _ in range(200):
                peer.send(b"a" * 4096)
        except OSError:
            pass
        assert peer.response().status == 431
    with server.opened() as peer:
        peer.send(close_frame()).frame()


def test_a_request_after_a_large_body_is_no_large_head(serve: Any) -> None:
    server = serve(echo_and_http)
    with server.peer(timeout=20) as peer:
        for _ in range(3):
            body = b"b" * 150_000
            peer.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n", body)
            peer.send(b"GET /next HTTP/1.1\r\nHo", b"st: a\r\n\r\n")
            assert [peer.response().body for _ in range(2)] == [b"POST /body", b"GET /next"]


STRAY = {
    "no connection header": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    "another connection header": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\r\n",
    "another protocol": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
}


@pytest.mark.parametrize("http", ["wirefast.server:HttpProtocol", "httptools"])
@pytest.mark.parametrize("name", STRAY)
def test_a_stray_upgrade_header_is_plain_http(serve: Any, name: str, http: str) -> None:
    server = serve(echo_and_http, http=http)
    with server.peer() as peer:
        for _ in range(2):
            response = peer.send(STRAY[name]).response()
            assert (response.status, response.body) == (200, b"GET /")


class Transport(MemoryTransport):
    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


@pytest.mark.parametrize("ending", [b"\r\n", b""], ids=["whole", "too long"])
def test_a_head_in_single_bytes_is_judged_a_line_at_a_time(monkeypatch: pytest.MonkeyPatch, ending: bytes) -> None:
    sizes: list[int] = []

    def counting(data: bytes) -> int:
        sizes.append(len(data))
        return inspect_head(data)

    monkeypatch.setattr(wirefast.server.http, "inspect_head", counting)

    async def drip() -> bytes:
        memory = Memory(echo)
        memory.config.ws_protocol_class = WebSocketProtocol
        protocol = HttpProtocol(config=memory.config, server_state=memory.state, app_state={})
        transport = Transport(protocol)
        protocol.connection_made(transport)
        head = request(headers=[(f"X-{i}", "x" * 600) for i in range(50)])
        head = head[:-2] + (b"X-Last: " + b"x" * 9000 if not ending else b"") + ending
        for position in range(len(head)):
            if transport.protocol is not protocol or transport.closing:
                break
            protocol.data_received(head[position : position + 1])
        await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        written = bytes(transport.written)
        transport.close()
        await memory.ended()
        return written

    written = asyncio.run(drip())
    assert written.startswith(b"HTTP/1.1 101" if ending else b"HTTP/1.1 431")
    assert len(sizes) < 62
