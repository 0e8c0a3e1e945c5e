"""Keepalive: pings, the pongs that answer them, and the end of a peer that does not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from apps import recorded
from peer import BINARY, CLOSE, PING, PONG, TEXT, close_frame, frame


def test_K01_a_busy_handler_keeps_a_peer_that_answers(serve: Any) -> None:
    released = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await released.wait()
        await send({"type": "websocket.send", "text": "still here"})
        await receive()

    server = serve(app, ws_ping_interval=0.3, ws_ping_timeout=2.0)
    with server.opened() as peer:
        peer.send(frame(TEXT, b"unread") * 5)
        # Pongs that nobody heard would have ended it after interval and timeout.
        busy_until = time.monotonic() + 3.0
        while time.monotonic() < busy_until:
            found = peer.frame()
            assert found.opcode == PING
            peer.send(frame(PONG, found.data))
        server.call(released.set)
        while (found := peer.frame()).opcode == PING:
            peer.send(frame(PONG, found.data))
        assert found.data == b"still here"
        peer.send(close_frame()).frame()


def test_K01_a_peer_that_cannot_be_heard_is_kept(serve: Any) -> None:
    """Its messages filled what is kept, so its pongs are unread: that is not its fault."""
    woken = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await woken.wait()
        count = 0
        while (await receive())["type"] == "websocket.receive":
            count += 1
            if count == 40:
                await send({"type": "websocket.send", "text": "all"})

    server = serve(app, ws_ping_interval=0.5, ws_ping_timeout=2.0)
    with server.opened() as peer:
        peer.sock.settimeout(1.0)
        sent = peer.sock.send(frame(BINARY, b"x" * 65536) * 40)
        time.sleep(3.5)  # longer than interval and timeout
        server.call(woken.set)
        peer.sock.settimeout(20.0)
        peer.send((frame(BINARY, b"x" * 65536) * 40)[sent:])
        while (found := peer.frame()).opcode == PING:
            peer.send(frame(PONG, found.data))
        assert found.data == b"all"
        peer.send(close_frame())


@pytest.mark.parametrize("answer", [None, b"wrong"], ids=["silent", "wrong pongs"])
def test_K02_pings_without_answers_end_the_connection(serve: Any, answer: bytes | None) -> None:
    app = recorded()
    server = serve(app, ws_ping_interval=0.3, ws_ping_timeout=0.3)
    with server.opened() as peer:
        assert peer.frame().opcode == PING
        if answer is not None:
            peer.send(frame(PONG, answer), frame(TEXT, b"but alive"))
        found = peer.frame()
        assert (found.opcode, found.code, found.reason) == (CLOSE, 1011, "keepalive ping timeout")
        assert peer.ended()
    server.stop()
    assert app.events[-1] == {"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"}
    assert server.errors == []


def test_keepalive_off(serve: Any) -> None:
    server = serve(recorded(), ws_ping_interval=None)
    with server.opened() as peer:
        peer.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.frame()
        protocol = next(iter(server.server.server_state.connections))
        assert protocol.ping_timer is None
        peer.send(close_frame())


def test_pings_without_a_timeout(serve: Any) -> None:
    server = serve(recorded(), ws_ping_interval=0.1, ws_ping_timeout=None)
    with server.opened() as peer:
        assert [peer.frame().opcode for _ in range(4)] == [PING] * 4
        peer.send(close_frame())


def test_the_interval_holds_where_the_timeout_is_longer(serve: Any) -> None:
    server = serve(recorded(), ws_ping_interval=0.2, ws_ping_timeout=30.0)
    with server.opened() as peer:
        for _ in range(5):
            found = peer.frame()
            assert found.opcode == PING
            peer.send(frame(PONG, found.data))
        peer.send(close_frame())


def test_a_late_pong_is_ignored(serve: Any) -> None:
    server = serve(recorded(), ws_ping_interval=0.2, ws_ping_timeout=20.0)
    with server.opened() as peer:
        first = peer.frame()
        peer.send(frame(PONG, first.data))
        second = peer.frame()
        assert second.opcode == PING and second.data != first.data
        peer.send(frame(PONG, first.data), frame(PONG, second.data), frame(PONG, second.data))
        assert peer.frame().opcode == PING
        peer.send(close_frame())


def test_pings_are_spread_and_need_one_timer(serve: Any) -> None:
    server = serve(recorded(), ws_ping_interval=1.0, ws_ping_timeout=20.0)
    peers = [server.opened() for _ in range(40)]
    moments = []
    due = server.call(lambda: len({id(p.ping_timer) for p in server.server.server_state.connections}))
    assert due > 5
    for peer in peers:
        assert peer.frame().opcode == PING
        moments.append(time.monotonic())
        peer.send(close_frame())
