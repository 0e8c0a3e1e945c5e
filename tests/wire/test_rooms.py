"""Rooms on real sockets with our WebSocket: on our protocol, on uvicorn's, on both event loops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import websockets.sync.client
from peer import CLOSE
from rooms_cases import CASES, PAD, Case, until

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy


def make(hub: Hub) -> tuple[App, Any]:
    return App(hub=hub), WebSocket


@pytest.mark.parametrize("settings", [{}, {"ws": "websockets-sansio"}], ids=["ours", "uvicorn's"])
@pytest.mark.parametrize("case", CASES)
def test_case(case: Callable[..., None], settings: Any, serve: Any, loop_name: str) -> None:
    case(make, serve, loop=loop_name, **settings)


def overwhelm(case: Case) -> int:
    """Publish until somebody is closed for being slow; how many messages went out before."""
    count = 0
    while not case.hub.stats.closed:
        assert count < 20_000
        case.publish({"n": count, "pad": PAD})
        count += 1
    return count


def test_one_that_reads_nothing_is_gone_within_the_close_timeout(serve: Any, loop_name: str) -> None:
    with Case(make, Hub(policy=Policy("close", max_messages=20))).start(serve, loop=loop_name) as case:
        slow = case.member(rcvbuf=4096)
        case.sockets[0]._send.channel.close_timeout = 0.3
        overwhelm(case)
        until(lambda: not case.server.server.server_state.connections)
        # Aborted, not closed: a reset, and no close frame.
        with pytest.raises(OSError):
            while slow.sock.recv(65536):
                pass
            raise ConnectionResetError
        assert CLOSE not in [item.opcode for item in slow.frames()]


def test_memory_for_one_that_reads_nothing_is_bounded(serve: Any) -> None:
    with Case(make, Hub(policy=Policy("drop_old", max_messages=10_000, max_bytes=200_000))).start(serve) as case:
        case.member(rcvbuf=4096)
        while case.hub.stats.dropped < 1000:
            case.publish({"pad": PAD})
        state = case.server.call(lambda: case.sockets[0].buffered)
        assert 190_000 < state.bytes <= 200_000
        assert state.dropped == case.hub.stats.dropped
        transport = case.sockets[0]._send.channel.transport
        assert case.server.call(transport.get_write_buffer_size) < 65536 + 5000


def test_compressed_connections_get_ready_frames(serve: Any) -> None:
    with Case(make, Hub()).start(serve, ws_per_message_deflate=True) as case:
        with websockets.sync.client.connect(f"{case.server.url}/room", compression="deflate") as client:
            assert client.recv(20) == "joined"
            for number in range(20):
                assert case.publish(f"{number} {PAD}") == 1
                client.send(f"{number} echo {PAD}")
                assert {client.recv(20), client.recv(20)} == {f"{number} {PAD}", f"{number} echo {PAD}".upper()}


def test_waiting_paces_a_publisher(serve: Any, loop_name: str) -> None:
    hub = Hub(policy=Policy("wait", max_messages=5, deadline=30))
    with Case(make, hub).start(serve, loop=loop_name) as case:
        # One turns up late for everything it has to read.
        slow, quick = case.member(rcvbuf=4096), case.reading(case.member())
        reader = case.reading(slow)
        for number in range(500):
            assert case.publish(f"{number} {PAD}") == 2
        until(lambda: len(quick.got) == len(reader.got) == 500)
        assert reader.got == quick.got
        assert (hub.stats.dropped, hub.stats.closed) == (0, 0)


def test_dropping_is_no_sign_of_life(serve: Any) -> None:
    """What waits for a peer that reads nothing shrinks when it is dropped; keepalive is not taken in by that."""
    hub = Hub(policy=Policy("drop_old", max_messages=100, max_bytes=2_000_000))
    with Case(make, hub).start(serve, ws_ping_interval=0.2, ws_ping_timeout=0.2) as case:
        case.member(rcvbuf=4096)
        number = 0
        deadline = time.monotonic() + 60
        while not case.ends:
            assert time.monotonic() < deadline
            case.publish("x" * (1 + number * 7919 % 90_000))
            number += 1
        assert case.ends == [(1011, "keepalive ping timeout")]
        assert hub.stats.dropped > 0 and hub.stats.closed == 0
