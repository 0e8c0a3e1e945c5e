"""Sockets when the server stops: what the peer and the application are told."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import websockets.exceptions
from apps import recorded
from peer import close_frame, request
from websockets.sync.client import connect

pytestmark = pytest.mark.both_transports


def test_shutdown_tells_peer_and_application(serve: Any, loop_name: str) -> None:
    app = recorded()
    server = serve(app, loop=loop_name)
    with connect(server.url) as client:
        server.server.should_exit = True
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            client.recv(timeout=5)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
    server.stop()
    assert app.events == [{"type": "websocket.disconnect", "code": 1012}]


def test_shutdown_ends_with_a_peer_that_does_not_answer(serve: Any) -> None:
    server = serve(recorded())
    with server.opened() as peer:
        server.server.should_exit = True
        assert peer.frame().code == 1012
        assert peer.ended()


@pytest.mark.parametrize("refused", [False, True], ids=["closing", "closed"])
def test_shutdown_does_not_wait_for_a_closed_peer_that_reads_nothing(serve: Any, loop_name: str, refused: bool) -> None:
    """Its last bytes could be taken until the close timeout, ten seconds: a server that stops gives it two."""
    closed = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        sending = asyncio.ensure_future(send({"type": "websocket.send", "bytes": bytes(16 << 20)}))
        await asyncio.sleep(0)
        if refused:
            await receive()
        else:
            await send({"type": "websocket.close"})
        sending.cancel()
        closed.set()

    server = serve(app, loop=loop_name, timeout_graceful_shutdown=8)
    with server.opened(rcvbuf=4096) as peer:
        if refused:
            peer.send(close_frame(1000))
        assert closed.wait(20)
        server.stop()
        assert not [line for line in server.errors if "graceful" in line]


def test_shutdown_tells_every_socket(serve: Any) -> None:
    server = serve(recorded())
    peers = [server.opened() for _ in range(300)]
    server.server.should_exit = True
    for peer in peers:
        assert peer.frame().code == 1012
        peer.send(close_frame(1012))
    server.stop()
    assert server.errors == []


def test_a_drain_during_the_handshake_keeps_the_scope(serve: Any) -> None:
    """An exception of the server's says which connection it is of, by what the scope has of that."""
    entered = threading.Event()
    told: list[tuple[Any, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        mark = scope["extensions"]["websocket.http.response"]
        await receive()
        entered.set()
        await receive()
        try:
            await send({"type": "websocket.accept"})
        except OSError as exc:
            told.append((exc.wirefast_connection, mark))  # type: ignore[attr-defined]
            raise

    server = serve(app)
    with server.peer() as peer:
        peer.send(request())
        assert entered.wait(20)
        server.call(lambda: [one.go_away("retry=1") for one in server.server.server_state.connections])
        assert peer.response().status == 503
        assert peer.ended()
    server.stop()
    assert len(told) == 1 and told[0][0] is told[0][1]
    assert server.errors == []


def test_shutdown_during_the_handshake_is_503(serve: Any) -> None:
    entered = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        entered.set()
        await receive()

    server = serve(app)
    with server.peer() as peer:
        peer.send(request())
        while not entered.is_set():
            server.call(lambda: None)
        server.server.should_exit = True
        assert peer.response().status == 503
