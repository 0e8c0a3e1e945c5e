"""try_send and buffered on real sockets whose peers read when they like, and the order among all ways to send."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peer import CLOSE, PING, PONG, TEXT, Peer, close_frame, frame

from wirefast import App, WebSocket, WebSocketDisconnect
from wirefast.rooms import Policy
from wirefast.websockets import Buffered

KIB = b"x" * 1024
SERVERS = {"ours": {}, "uvicorn's": {"ws": "websockets-sansio"}}


class Held:
    """An application that hands its sockets to the test, and lets each go when the peer does."""

    def __init__(self) -> None:
        self.app = App()
        self.sockets: list[WebSocket] = []
        self.ends: list[Any] = []

        @self.app.websocket("/")
        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            self.sockets.append(websocket)
            await websocket.send_text("ready")
            try:
                while True:
                    await websocket.receive_text()
            except WebSocketDisconnect as exc:
                self.ends.append((exc.code, exc.reason))


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    # What was found out about endpoints is cached, so they outlive the test.
    held.sockets.clear()


@pytest.fixture
def serve(serve: Any) -> Any:
    """Without pings, which a slow machine may find among the frames that are counted here."""
    return functools.partial(serve, ws_ping_interval=None)


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.005)
    return found


def opened(server: Any, held: Held) -> tuple[Peer, WebSocket]:
    peer = server.opened(timeout=20.0, rcvbuf=4096)
    assert peer.frame().data == b"ready"
    return peer, held.sockets[-1]


def stall(server: Any, websocket: WebSocket) -> int:
    """Send to a peer that does not read until something stays here; how many KiB it took."""
    count = 0
    while server.call(lambda: websocket.try_send(KIB, policy="drop_new")) == "sent":
        count += 1
        assert count < 100_000
    return count + 1


def test_it_is_sent_while_the_peer_reads(serve: Any, held: Held, loop_name: str) -> None:
    server = serve(held.app, loop=loop_name)
    peer, websocket = opened(server, held)
    for value, data in [("text", b"text"), (b"\x00\xff", b"\x00\xff"), ({"a": [1, None]}, b'{"a":[1,null]}')]:
        assert server.call(lambda value=value: websocket.try_send(value)) == "sent"
        assert peer.frame().data == data
    assert websocket.buffered == Buffered(0, 0, 0.0, 0)
    peer.reset()


def test_what_waits_is_bounded_and_arrives_in_order(serve: Any, held: Held, loop_name: str) -> None:
    server = serve(held.app, loop=loop_name)
    peer, websocket = opened(server, held)
    taken = stall(server, websocket)
    policy = Policy("drop_new", max_messages=50)
    answers = server.call(lambda: [websocket.try_send(str(number), policy=policy) for number in range(100)])
    # One waits already: the one that found the transport full.
    assert answers == ["queued"] * 49 + ["dropped"] * 51
    state = server.call(lambda: websocket.buffered)
    assert (state.messages, state.dropped) == (50, 51)
    assert state.bytes == 1028 + sum(2 + len(str(number)) for number in range(49))
    until(lambda: server.call(lambda: websocket.buffered.age) > 0.01)
    got = [peer.frame() for _ in range(taken + 49)]
    assert {item.data for item in got[:taken]} == {KIB}
    assert [item.data for item in got[taken:]] == [b"%d" % number for number in range(49)]
    assert until(lambda: server.call(lambda: websocket.buffered)[:3] == (0, 0, 0.0))
    peer.reset()


@pytest.mark.parametrize("name", ["drop_old", "conflate"])
def test_the_latest_survive(serve: Any, held: Held, name: str) -> None:
    server = serve(held.app)
    peer, websocket = opened(server, held)
    taken = stall(server, websocket)
    policy = Policy(name, max_messages=11)
    send = lambda number: websocket.try_send(str(number), policy=policy, key=number % 20)  # noqa: E731
    assert server.call(lambda: {send(number) for number in range(1000)}) == {"queued"}
    assert server.call(lambda: websocket.buffered.messages) == 11
    got = [peer.frame().data for _ in range(taken + 10)]
    assert got[taken:] == [b"%d" % number for number in range(990, 1000)]
    peer.reset()


@pytest.mark.parametrize("server_kind", SERVERS)
def test_plain_sends_and_try_send_keep_their_order(serve: Any, held: Held, server_kind: str) -> None:
    @held.app.websocket("/mixed")
    async def mixed(websocket: WebSocket) -> None:
        await websocket.accept()
        policy = Policy("drop_new", max_messages=100_000, max_bytes=1 << 26)
        for number in range(3000):
            if number % 3:
                assert websocket.try_send({"n": number, "pad": "x" * 900}, policy=policy) != "dropped"
            else:
                await websocket.send_json({"n": number, "pad": "x" * 900})
        await websocket.close(4000, "all")

    server = serve(held.app, **SERVERS[server_kind])
    peer = server.opened("/mixed", timeout=20.0, rcvbuf=4096)
    numbers = []
    while (item := peer.frame()).opcode == TEXT:
        numbers.append(json.loads(item.data)["n"])
    assert numbers == list(range(3000))
    assert (item.opcode, item.code, item.reason) == (CLOSE, 4000, "all")


def test_a_plain_send_waits_for_what_is_before_it_and_is_never_dropped(serve: Any, held: Held) -> None:
    done = threading.Event()

    @held.app.websocket("/plain")
    async def plain(websocket: WebSocket) -> None:
        await websocket.accept()
        held.sockets.append(websocket)
        policy = Policy("drop_old", max_messages=3)
        while websocket.try_send(KIB) == "sent":
            pass
        for number in range(10):
            websocket.try_send(str(number), policy=policy)
        await websocket.send_text("plain")
        done.set()
        for number in range(10):
            websocket.try_send(f"after {number}")
        await websocket.receive()

    server = serve(held.app)
    peer = server.opened("/plain", timeout=20.0, rcvbuf=4096)
    until(lambda: held.sockets and server.call(lambda: held.sockets[0].buffered.messages) == 4)
    assert not done.is_set()
    got = []
    while not got or got[-1] != b"after 9":
        got.append(peer.frame().data)
    assert [data for data in got if data != KIB] == [b"8", b"9", b"plain", *[b"after %d" % n for n in range(10)]]
    peer.reset()


def test_control_frames_pass_by(serve: Any, held: Held) -> None:
    """A ping is answered and the keepalive's goes out as soon as the peer reads, whatever waits."""
    server = serve(held.app, ws_ping_interval=0.2, ws_ping_timeout=20)
    peer, websocket = opened(server, held)
    taken = stall(server, websocket)
    policy = Policy("drop_new", max_messages=1000, max_bytes=1 << 21)
    server.call(lambda: [websocket.try_send(KIB, policy=policy) for _ in range(999)])
    peer.send(frame(PING, b"there?"))
    time.sleep(0.5)
    opcodes = [peer.frame().opcode for _ in range(taken + 999)]
    while not {PING, PONG} <= set(opcodes):
        opcodes.append(peer.frame().opcode)
    assert PONG in opcodes[: taken + 500]
    peer.reset()


def test_the_policy_close_says_why(serve: Any, held: Held, loop_name: str) -> None:
    server = serve(held.app, loop=loop_name)
    peer, websocket = opened(server, held)
    taken = stall(server, websocket)
    policy = Policy("close", max_messages=5)
    answers = server.call(lambda: [websocket.try_send("more", policy=policy) for _ in range(8)])
    assert answers == ["queued"] * 4 + ["dropped"] * 4
    until(lambda: held.ends)
    assert held.ends == [(1013, "too slow: 5 messages, 1052 bytes waiting")]
    # What waited is gone, what the transport had is not: the client reads that, then why.
    got = [peer.frame() for _ in range(taken)]
    assert {item.data for item in got[:-1]} == {KIB}
    assert (got[-1].opcode, got[-1].code, got[-1].reason) == (CLOSE, *held.ends[0])
    peer.send(close_frame(1013))
    assert peer.ended(20.0)
    assert server.call(lambda: websocket.try_send("late")) == "dropped"
    assert server.errors == []


def test_closing_by_the_handler_takes_along_what_waits(serve: Any, held: Held) -> None:
    waits = threading.Event()

    @held.app.websocket("/leave")
    async def leave(websocket: WebSocket) -> None:
        await websocket.accept()
        while websocket.try_send(KIB) == "sent":
            pass
        waits.set()
        websocket.try_send("last words")
        await websocket.close(4001, "bye")
        assert websocket.try_send("too late") == "dropped"

    server = serve(held.app)
    peer = server.opened("/leave", timeout=20.0, rcvbuf=4096)
    assert waits.wait(60)  # or a peer that reads as fast as a slow build writes would keep it sending
    got = [peer.frame()]
    while got[-1].opcode != CLOSE:
        got.append(peer.frame())
    assert got[-2].data == b"last words"
    assert (got[-1].code, got[-1].reason) == (4001, "bye")
    assert server.errors == []


def test_a_lost_peer_is_no_error(serve: Any, held: Held, loop_name: str) -> None:
    server = serve(held.app, loop=loop_name)
    peer, websocket = opened(server, held)
    stall(server, websocket)
    peer.reset()
    until(lambda: held.ends)
    assert server.call(lambda: websocket.try_send("gone")) == "dropped"
    assert server.call(lambda: websocket.buffered)[:3] == (0, 0, 0.0)
    assert server.errors == []


def test_compressed_and_ready_frames_share_a_connection(serve: Any, held: Held) -> None:
    @held.app.websocket("/both")
    async def both(websocket: WebSocket) -> None:
        await websocket.accept()
        for number in range(50):
            await websocket.send_text(f"packed {number} " + "words " * 40)
            websocket.try_send(f"ready {number} " + "words " * 40)
        await websocket.close()

    server = serve(held.app, ws_per_message_deflate=True)
    import websockets.sync.client as client

    with client.connect(f"{server.url}/both", compression="deflate") as socket:
        texts = list(socket)
    assert [text.split(" words")[0] for text in texts] == [f"{w} {n}" for n in range(50) for w in ("packed", "ready")]


@pytest.mark.parametrize("server_kind", SERVERS)
def test_what_is_no_use_is_refused(serve: Any, held: Held, server_kind: str) -> None:
    problems: list[tuple[type[BaseException], str]] = []

    @held.app.websocket("/wrong")
    async def wrong(websocket: WebSocket) -> None:
        def attempt(*args: Any, **options: Any) -> None:
            try:
                websocket.try_send(*args, **options)
            except Exception as exc:
                problems.append((type(exc), str(exc)))

        attempt("early")
        await websocket.accept()
        attempt("x", policy="wait")
        attempt("x", policy="whatever")
        attempt(object())
        attempt("\ud800")
        attempt("x" * 100, policy=Policy("drop_old", max_bytes=101))
        attempt("x", key=[1])
        await websocket.send_text("still fine")

    server = serve(held.app, **SERVERS[server_kind])
    peer = server.opened("/wrong", timeout=20.0)
    # Half of a surrogate pair has no UTF-8 form; U+FFFD takes its place.
    assert peer.frame().data == "\ufffd".encode()
    assert peer.frame().data == b"still fine"
    assert problems == [
        (RuntimeError, 'WebSocket is not connected. Need to call "accept" first.'),
        (ValueError, 'try_send() does not wait; await send_text() or publish with the policy "wait"'),
        (ValueError, "'whatever' is no policy; there are: wait, close, drop_new, drop_old, conflate"),
        (TypeError, "Object of type object is not JSON serializable"),
        (ValueError, "a message of 102 bytes is larger than what may wait for one socket (max_bytes=101)"),
        (TypeError, "a key is a str or an int, not list"),
    ]


def test_on_another_server_a_message_is_queued_for_its_send(serve: Any, held: Held) -> None:
    server = serve(held.app, **SERVERS["uvicorn's"])
    peer, websocket = opened(server, held)
    policy = Policy("drop_new", max_messages=50)
    answers = server.call(lambda: [websocket.try_send(str(number), policy=policy) for number in range(60)])
    assert answers == ["queued"] * 50 + ["dropped"] * 10
    assert [peer.frame().data for _ in range(50)] == [b"%d" % number for number in range(50)]
    assert until(lambda: server.call(lambda: websocket.buffered) == Buffered(0, 0, 0.0, 10))
    peer.reset()
    until(lambda: held.ends)
    assert server.call(lambda: websocket.try_send("gone")) == "dropped"
    assert server.errors == []


def test_the_policy_close_on_another_server(serve: Any, held: Held) -> None:
    server = serve(held.app, **SERVERS["uvicorn's"])
    peer, websocket = opened(server, held)
    policy = Policy("close", max_messages=5)
    answers = server.call(lambda: [websocket.try_send(str(number), policy=policy) for number in range(8)])
    assert answers == ["queued"] * 5 + ["dropped"] * 3
    last = peer.frame()
    assert (last.opcode, last.code, last.reason) == (CLOSE, 1013, "too slow: 5 messages, 15 bytes waiting")
    peer.send(close_frame(1013))
    assert peer.ended(20.0)
    until(lambda: held.ends)
