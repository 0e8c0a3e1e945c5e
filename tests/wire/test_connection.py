"""Flow control, keepalive and the closing handshake, with peers that do not do their part."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import pytest
from apps import deaf, echo, recorded
from peer import BINARY, CLOSE, PING, PONG, TEXT, Frame, close_frame, frame, request
from serving import serving

from measures import resident
from slower import SLOWER
from wirefast.server import WebSocketProtocol

pytestmark = pytest.mark.both_transports

MIB = 1048576


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """Sends for ever; nothing else is awaited."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "bytes": b"x" * 4096})


def test_FR10_a_flood_to_a_handler_that_does_not_read(serve: Any, loop_name: str) -> None:
    server = serve(deaf, loop=loop_name, timeout_graceful_shutdown=1)
    data = frame(BINARY, b"x" * 65536)
    before = resident()
    with server.opened(timeout=1.0) as peer:
        taken = 0
        with pytest.raises(TimeoutError):
            while taken < 200 * MIB:
                taken += peer.sock.send(data * 4)
        # What the kernel's two buffers hold is not ours.
        assert taken < 16 * MIB
        assert resident() - before < SLOWER * 8 * MIB
        peer.reset()


def test_the_queue_setting_pauses_reading(serve: Any) -> None:
    server = serve(deaf, ws_max_queue=4, timeout_graceful_shutdown=1)
    data = frame(BINARY, b"x" * 20000)
    with server.opened() as peer:
        peer.send(data * 3, frame(PING, b"heard"))
        assert peer.frame() == Frame(PONG, b"heard")
        peer.sock.settimeout(0.5)
        peer.send(data * 6, frame(PING, b"unheard"))
        peer.send(frame(PING, b"unheard"))
        with pytest.raises(TimeoutError):
            while peer.frame().opcode == PONG:
                peer.send(frame(PING, b"again"))
                time.sleep(0.01)
        peer.reset()


def test_reading_goes_on_when_the_handler_reads(serve: Any) -> None:
    started = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await started.wait()
        total = 0
        while (message := await receive())["type"] == "websocket.receive":
            total += len(message["bytes"])
            if total == 64 * 65536:
                await send({"type": "websocket.send", "text": "all"})

    server = serve(app)
    with server.opened() as peer:
        data = frame(BINARY, b"x" * 65536) * 64
        sent = peer.sock.send(data)
        server.call(started.set)
        peer.send(data[sent:])
        assert peer.frame().data == b"all"
        peer.send(close_frame()).frame()


def test_FR11_a_peer_that_never_reads(serve: Any, loop_name: str) -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 65536})
            sent += 65536

    server = serve(app, loop=loop_name, ws_ping_interval=0.5, ws_ping_timeout=0.5)
    before = resident()
    with server.opened(rcvbuf=16384) as peer:
        # Others are served meanwhile, and this one is ended in interval + timeout + close.
        deadline = time.monotonic() + 30
        while server.call(lambda: len(server.server.server_state.connections)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.call(lambda: len(server.server.server_state.connections)) == 0
        assert resident() - before < SLOWER * 16 * MIB
        assert sent < 16 * MIB
        peer.sock.close()
    assert server.errors == []


def crowd(messages: list[bytes]) -> Any:
    """Floods until `send` waits, then sends each message from a task of its own, one per ``app.go`` permit."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

        async def one(data: bytes) -> None:
            try:
                await send({"type": "websocket.send", "bytes": data})
            except OSError as exc:
                app.errors.append(exc)  # type: ignore[attr-defined]

        app.before = 0  # type: ignore[attr-defined]
        full = False
        while not full:
            sending = asyncio.create_task(one(b"x" * 4096))
            app.before += 1  # type: ignore[attr-defined]
            full = not (await asyncio.wait([sending], timeout=0.2))[0]
        app.tasks = [sending]  # type: ignore[attr-defined]
        for data in messages:
            app.tasks.append(asyncio.create_task(one(data)))  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        app.waiting = sum(not task.done() for task in app.tasks)  # type: ignore[attr-defined]
        app.ready.set()  # type: ignore[attr-defined]
        app.end = await receive()  # type: ignore[attr-defined]

    app.errors = []  # type: ignore[attr-defined]
    app.ready = threading.Event()  # type: ignore[attr-defined]
    return app


# With its header of 4 bytes, a sixteenth of what may be queued.
SIXTEENTH = b"y" * 65532


def test_unsent_bytes_up_to_the_bound_are_kept(serve: Any, loop_name: str) -> None:
    app = crowd([SIXTEENTH] * 16)
    server = serve(app, loop=loop_name)
    with server.opened(rcvbuf=16384) as peer:
        assert app.ready.wait(20)
        assert (app.waiting, app.errors) == (17, [])
        assert server.server.server_state.wirefast_settings.overflows == 0
        found = [peer.frame().data for _ in range(app.before + 16)]
        assert found == [b"x" * 4096] * app.before + [SIXTEENTH] * 16
        peer.send(close_frame()).frame()
    server.stop()
    assert (app.errors, server.errors) == ([], [])


def test_unsent_bytes_past_the_bound_end_the_connection(serve: Any, loop_name: str) -> None:
    app = crowd([SIXTEENTH] * 16 + [b"one more"] * 3)
    server = serve(app, loop=loop_name)
    with server.opened(rcvbuf=16384) as peer:
        assert app.ready.wait(20)
        found = peer.frames()
        assert len(found) == app.before + 17
        assert (found[-1].opcode, found[-1].code, found[-1].reason) == (CLOSE, 1008, "too many unsent bytes")
    server.stop()
    # All of them learn it: those that waited, the one too many, and those after it.
    assert len(app.errors) == 20
    assert app.end == {"type": "websocket.disconnect", "code": 1008, "reason": "too many unsent bytes"}
    assert server.server.server_state.wirefast_settings.overflows == 1
    assert len(server.errors) == 1
    assert "bytes unsent" in server.errors[0] and len(server.errors[0]) < 300


def test_messages_larger_than_the_bound_are_sent(serve: Any, loop_name: str) -> None:
    large = b"z" * (3 * MIB)
    app = crowd([large])
    server = serve(app, loop=loop_name)
    with server.opened(rcvbuf=16384) as peer:
        assert app.ready.wait(20)
        assert app.waiting == 2
        assert [peer.frame().data for _ in range(app.before + 1)][-1] == large
        peer.send(close_frame()).frame()
    server.stop()
    assert (app.errors, server.errors) == ([], [])


def test_a_peer_that_stopped_reading_gets_one_ping(serve: Any) -> None:
    """Without a ping timeout nothing ends the connection, and nothing adds up."""
    app = crowd([])
    server = serve(app, ws_ping_interval=0.05, ws_ping_timeout=None)
    with server.opened(rcvbuf=16384) as peer:
        assert app.ready.wait(20)
        time.sleep(0.5)  # ten intervals
        opcodes = [found.opcode for found in peer.send(close_frame()).frames()]
        after = opcodes[::-1].index(BINARY)
        assert opcodes.count(BINARY) == app.before
        assert opcodes[-after:].count(PING) <= 1


def test_FR12_pings_whose_pongs_are_not_read(serve: Any, loop_name: str) -> None:
    server = serve(recorded(), loop=loop_name)
    before = resident()
    with server.opened(rcvbuf=16384, timeout=2.0) as peer:
        batch = frame(PING, b"p" * 8) * 4000
        try:
            for _ in range(80):
                peer.send(batch)
        except TimeoutError:
            pass
        assert resident() - before < SLOWER * 16 * MIB
        peer.reset()


def test_pongs_that_wait_are_answered_by_the_latest(serve: Any) -> None:
    blocked = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        blocked.set()
        await send({"type": "websocket.send", "bytes": b"x" * 8 * MIB})
        await send({"type": "websocket.send", "text": "after"})
        await receive()
        await receive()

    server = serve(app)
    with server.opened(rcvbuf=16384) as peer:
        peer.send(*[frame(PING, b"%d" % i) for i in range(100)])
        server.heard(peer)  # while its writes are blocked
        assert len(peer.frame().data) == 8 * MIB
        answers = [peer.frame(), peer.frame()]
        assert sorted(f.data for f in answers) == [b"99", b"after"]
        peer.send(close_frame()).frame()


def test_FR14_order_is_kept_under_backpressure(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        for number in range(2000):
            await send({"type": "websocket.send", "text": f"{number} " + "x" * 2000})
        await send({"type": "websocket.close"})
        await receive()

    server = serve(app)
    with server.opened(rcvbuf=8192) as peer:
        for number in range(2000):
            assert peer.frame().data.split()[0] == b"%d" % number
        assert peer.frame().code == 1000
        peer.send(close_frame())
        assert peer.ended()


def test_FR15_close_is_answered_and_the_transport_closed(serve: Any) -> None:
    server = serve(recorded())
    with server.opened() as peer:
        peer.send(close_frame())
        assert peer.frame().code == 1000
        assert peer.ended()


def test_FR16_a_close_that_is_never_answered(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        next(iter(server.server.server_state.connections)).close_timeout = 0.3
        await send({"type": "websocket.close", "code": 1001})

    server = serve(app)
    started = time.monotonic()
    with server.opened() as peer:
        assert peer.frame().code == 1001
        assert peer.ended()
        assert time.monotonic() - started > 0.3


def test_FR17_a_large_message_then_close_arrives_whole(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": b"x" * 900000})
        await send({"type": "websocket.close"})

    server = serve(app)
    for _ in range(10):
        with server.opened(rcvbuf=32768) as peer:
            peer.send(frame(TEXT, b"crossing"))
            assert len(peer.frame().data) == 900000
            assert peer.frame().code == 1000
            time.sleep(0.02)
            peer.send(close_frame())
            assert peer.ended()


@pytest.mark.parametrize("app", [flood, echo], ids=["flood", "echo"])
def test_FR18_resets_while_the_application_sends(serve: Any, loop_name: str, app: Any) -> None:
    server = serve(app, loop=loop_name)
    before = None
    for number in range(20):
        peer = server.opened()
        if app is echo:
            peer.send(frame(BINARY, b"x" * 60000) * 10)
        for _ in range(number % 5):
            peer.fill()
        peer.reset()
        before = before or resident()
        with server.opened() as other:
            other.send(frame(PING, b"alive"))
            # A loop that one reset made spin would never answer.
            while other.frame().opcode != PONG:
                pass
            other.reset()
    assert resident() - before < SLOWER * 16 * MIB
    assert server.errors == []


def test_send_to_a_lost_peer_raises_at_the_next_call(serve: Any, loop_name: str) -> None:
    raised = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "x"})
        except OSError as exc:
            raised.append(exc)
            try:
                await send({"type": "websocket.send", "text": "x"})
            except OSError as again:
                raised.append(again)

    server = serve(app, loop=loop_name)
    server.opened().reset()
    server.stop()
    assert len(raised) == 2
    assert server.errors == []


# ---- Nothing is left behind ----


def count_protocols() -> int:
    gc.collect()
    return sum(isinstance(item, WebSocketProtocol) for item in gc.get_objects())


def test_LK01_churn_leaves_nothing(loop_name: str) -> None:
    with serving(echo, loop=loop_name, log_level="warning") as server:

        def churn(count: int) -> None:
            for number in range(count):
                with server.peer() as peer:
                    if number % 3 == 0:
                        peer.open()
                        peer.send(frame(TEXT, b"x")).frame()
                        peer.send(close_frame()).frame()
                        assert peer.ended()
                    elif number % 3 == 1:
                        peer.open()
                        peer.reset()
                    else:
                        peer.send(request()[: number % 150])

        def left() -> tuple[int, int]:
            state = server.server.server_state
            return server.call(lambda: (len(state.connections), len(state.tasks)))

        def settled() -> None:
            # Peers that left at once may still wait to be accepted: this one is behind all of them.
            with server.opened() as last:
                last.send(close_frame()).frame()
                assert last.ended()
            # A task ends some turns of the loop after its connection did.
            deadline = time.monotonic() + 20
            while (now := left()) != (0, 0) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert now == (0, 0)

        # Exceptions among other tests' parameters may hold the frames that they were raised through.
        others = server.call(count_protocols)
        churn(300)
        settled()
        before = resident()
        churn(900)
        settled()
        assert resident() - before < SLOWER * MIB
        assert server.call(count_protocols) <= others


def test_a_received_payload_outlives_the_read_buffer(serve: Any) -> None:
    kept: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            kept.append(message["bytes"])

    server = serve(app)
    with server.opened() as peer:
        for number in range(3000):
            peer.send(frame(BINARY, number.to_bytes(4, "big") * 50))
        peer.send(close_frame()).frame()
    server.stop()
    assert kept == [number.to_bytes(4, "big") * 50 for number in range(3000)]


def test_a_cancelled_receive_loses_no_message(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(50):
            waiting = asyncio.create_task(receive())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await send({"type": "websocket.send", "text": str(number)})
            message = await receive()
            assert message["text"] == str(number)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        await send({"type": "websocket.send", "text": "timed out"})
        assert (await asyncio.wait_for(receive(), 5))["text"] == "timed out"

    server = serve(app)
    with server.opened() as peer:
        while (found := peer.frame()).opcode == TEXT:
            peer.send(frame(TEXT, found.data))
        assert found.code == 1000
    assert server.errors == []


def test_two_tasks_may_receive(serve: Any) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

        async def take() -> None:
            while (message := await receive())["type"] == "websocket.receive":
                seen.append(message["text"])

        await asyncio.gather(take(), take(), take())

    server = serve(app)
    with server.opened() as peer:
        for number in range(20):
            peer.send(frame(TEXT, b"%d" % number))
        peer.send(close_frame()).frame()
    server.stop()
    assert sorted(seen, key=int) == [str(number) for number in range(20)]
    assert server.errors == []


def test_calls_from_inside_events(serve: Any) -> None:
    """close() by one task ends the receive() of another, and both see the same end."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

        async def close() -> None:
            await send({"type": "websocket.close", "code": 4001, "reason": "mine"})

        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await close()
        seen.append(await waiting)

    server = serve(app)
    with server.opened() as peer:
        assert peer.frame().code == 4001
        peer.send(close_frame(4001))
        assert peer.ended()
    assert seen == [{"type": "websocket.disconnect", "code": 4001, "reason": "mine"}]
