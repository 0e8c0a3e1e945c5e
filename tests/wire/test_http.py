"""``HttpProtocol``: limits before the upgrade, the direct hand-over, and plain HTTP as uvicorn serves it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from apps import echo, echo_and_http, plain_http
from peer import TEXT, close_frame, frame, request

import wirefast.server.http
from measures import resident
from slower import SLOWER

pytestmark = pytest.mark.both_transports


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


# ---- Connections that would stay ----


SILENT = {
    "empty lines": b"\r\n\r\n",
    "an empty line behind a response": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
    "empty lines behind a response": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n",
    "a bare line feed at the end of an upgrade": request()[:-2] + b"\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
}


@pytest.mark.parametrize("name", SILENT)
def test_every_connection_ends(serve: Any, soon: None, name: str) -> None:
    server = serve(echo_and_http, timeout_keep_alive=1)
    with server.peer() as peer:
        peer.send(SILENT[name])
        started = time.monotonic()
        assert peer.ended()
        if name in ("TLS", "SSH", "Redis"):
            # At the first byte that cannot begin a request, not when the time for a head is over.
            assert peer.buffer.startswith(b"HTTP/1.1 400 ")
            assert time.monotonic() - started < 0.3 + SLOWER


def test_a_client_that_leaves_an_endless_response(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/endless":
            return await plain_http(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    server = serve(app)
    with server.peer() as peer:
        peer.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").take(100)
    with server.peer() as peer:
        assert peer.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n").response().body == b"GET /next"
    deadline = time.monotonic() + 20
    while server.call(lambda: len(server.server.server_state.tasks)):
        assert time.monotonic() < deadline, "the endless response goes on"
    # What the client caused is no error of the application.
    assert not server.errors


def test_a_client_that_leaves_while_it_is_not_read(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wirefast.server.http, "LOOK_EVERY", 0.05)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass

    server = serve(app)
    with server.peer() as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3000)
        peer.response()
    deadline = time.monotonic() + 20
    while server.call(lambda: len(server.server.server_state.tasks)):
        assert time.monotonic() < deadline, "the response waits for ever"


def test_pipelined_requests_cost_what_they_weigh(serve: Any) -> None:
    release = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while scope["path"] == "/wait" and not release.is_set():
            await asyncio.sleep(0.01)
        await plain_http(scope, receive, send)

    server = serve(app)
    count = 230 * 1024 // 36
    with server.peer() as peer:
        peer.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        server.heard(peer)
        before = resident()
        sending = threading.Thread(target=peer.send, args=(b"GET /next HTTP/1.1\r\nHost: abc\r\n\r\n" * count,))
        sending.start()
        protocol = next(iter(server.server.server_state.connections))
        deadline = time.monotonic() + 20
        while not server.call(lambda: protocol.flow.held):
            assert time.monotonic() < deadline, "it reads on and on"
        assert resident() - before < SLOWER * 2 * 1024 * 1024
        release.set()
        assert [peer.response().status for _ in range(count + 1)] == [200] * (count + 1)
        sending.join()


@pytest.mark.parametrize("name", ["wirefast.server:HttpProtocol", "httptools"])
def test_the_lines_of_the_trace_log(serve: Any, name: str) -> None:
    server = serve(echo_and_http, log_level="trace", http=name)
    server.opened().send(close_frame()).frames()
    deadline = time.monotonic() + 20
    while not any("connection lost" in record.getMessage() for record in server.records):
        assert time.monotonic() < deadline
    traced = [record for record in server.records if record.levelno == 5 and record.name == "uvicorn.error"]
    lines = [record.getMessage().partition(" - ")[2] for record in traced]
    assert lines == [
        "HTTP connection made",
        "Upgrading to WebSocket",
        "WebSocket connection made",
        "WebSocket connection lost",
    ]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_an_early_answer_is_not_overtaken_by_a_reset(serve: Any, loop: str) -> None:
    """The application answers before the body has come, and the connection ends: the client may send the whole body."""

    async def early(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 405, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})

    server = serve(early, loop=loop)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n"
    with server.peer() as peer:
        peer.sock.sendall(head + bytes(1000))
        answer = b""
        while data := peer.sock.recv(4096):
            answer += data
        assert answer.startswith(b"HTTP/1.1 405 ") and answer.endswith(b"\r\n\r\nno")
        for _ in range(5):
            peer.sock.sendall(bytes(50000))
            # A reset would raise.
            assert peer.sock.recv(1) == b""


def test_a_client_that_never_ends_an_early_answered_request(serve: Any) -> None:
    async def early(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 405, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    server = serve(early)
    with server.peer() as peer:
        peer.sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n")
        started = time.monotonic()
        with pytest.raises(ConnectionError):
            while True:
                peer.sock.sendall(bytes(1000))
                time.sleep(0.01)
        assert time.monotonic() - started < SLOWER * 5
