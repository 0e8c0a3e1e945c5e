"""One callback a turn and one timer for all connections of a loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import tracemalloc
from typing import Any

import pytest
from apps import echo, recorded
from peer import TEXT, close_frame, frame

from memory import Memory
from wirefast import WebSocket, WebSocketDisconnect
from wirefast._core.fanout import RoomMember, outlet_of
from wirefast.rooms import Policy
from wirefast.server.reactor import Reactor


def test_one_reactor_a_loop_one_timer_for_all_sockets(serve: Any) -> None:
    server = serve(recorded(), loop="asyncio", ws_ping_interval=30.0)
    peers = [server.opened() for _ in range(30)]
    timers = server.call(lambda: [t for t in asyncio.get_running_loop()._scheduled if "tick" in repr(t)])  # type: ignore[attr-defined]
    assert len([timer for timer in timers if not timer.cancelled()]) == 1
    for peer in peers:
        peer.send(close_frame()).frame()


def test_messages_of_one_turn_wake_their_tasks_in_order(serve: Any) -> None:
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            order.append(message["text"])

    server = serve(app)
    peers = [server.opened() for _ in range(3)]
    for number, peer in enumerate(peers):
        peer.send(frame(TEXT, b"%d" % number) * 3, close_frame())
    assert all(peer.ended() for peer in peers)
    server.stop()
    assert sorted(order) == ["0"] * 3 + ["1"] * 3 + ["2"] * 3
    assert [item for item in order if item == "1"] == ["1"] * 3


def test_a_callback_that_raises_takes_no_turn_from_others() -> None:
    """What asyncio itself never asks of a future: its error goes where those of the loop's callbacks go."""
    held: list[Any] = []
    errors: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/echo":
            return await echo(scope, receive, send)
        await receive()
        await send({"type": "websocket.accept"})
        waiting = receive()
        held.append(waiting)  # a coroutine that is closed early would cancel the wait
        future = next(waiting.__await__())
        future.add_done_callback(raises, context=contextvars.copy_context())
        await asyncio.get_running_loop().create_future()

    def raises(future: Any) -> None:
        assert future.done() and not future.cancel()
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        memory = Memory(app)
        one, two = memory.open("/"), memory.open("/echo")
        while not (held and two.status):
            await asyncio.sleep(0)
        one.send("one")
        two.send("two")
        while not (errors and two.messages):
            await asyncio.sleep(0)
        loop.set_exception_handler(None)  # the loop is kept with its reactor, and would keep the errors
        assert two.messages == ["two"]
        two.send("again")
        while len(two.messages) < 2:
            await asyncio.sleep(0)
        held.pop().close()
        for task in list(memory.state.tasks):
            task.cancel()
        one.lose()
        two.lose()
        await memory.ended()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_a_transport_that_raises_takes_no_turn_from_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def errors() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]

    async def main() -> None:
        memory = Memory(echo)
        one, two = memory.open(), memory.open()
        while not (one.status and two.status):
            await asyncio.sleep(0)

        def write(data: Any) -> None:
            raise OSError("no more")

        monkeypatch.setattr(one.transport, "write", write)
        one.send("one")
        two.send("two")
        while not (errors() and two.messages):
            await asyncio.sleep(0)
        assert two.messages == ["two"]
        one.lose()
        two.lose()
        await memory.ended()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert errors() == ["Writing to a WebSocket failed"]


async def heard(done: Any, turns: int = 20) -> bool:
    """Whether something happens within so many turns of the loop, in which nothing else happens."""
    for _ in range(turns):
        if done():
            return True
        await asyncio.sleep(0)
    return bool(done())


@pytest.mark.parametrize("how", ["closes", "asgi", "dismisses", "loses"])
def test_a_handler_that_ends_another_socket_wakes_its_handler(how: str) -> None:
    """In the turn in which it runs itself; no other socket has an event after that."""
    sockets: dict[str, WebSocket] = {}
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        name = scope["path"]
        sockets[name] = websocket
        await websocket.accept()
        try:
            while True:
                await websocket.receive_text()
                other = sockets["/two"]
                if how == "closes":
                    await other.close(4000)
                elif how == "asgi":
                    await other._send({"type": "websocket.close", "code": 4000})
                elif how == "dismisses":
                    assert other.try_send("queued", policy=Policy("close", max_messages=1)) == "queued"
                    assert other.try_send("too much", policy=Policy("close", max_messages=1)) == "dropped"
                else:
                    two.lose()
        except (WebSocketDisconnect, RuntimeError):
            ended.append(name)

    async def main() -> None:
        nonlocal two
        memory = Memory(app)
        one, two = memory.open("/one"), memory.open("/two")
        assert await heard(lambda: one.status and two.status)
        if how == "dismisses":
            two.transport.protocol.pause_writing()
        one.send("go")
        assert await heard(lambda: ended == ["/two"])
        one.lose()
        two.lose()
        await memory.ended()

    two: Any = None
    asyncio.run(main())


def test_each_woken_task_may_wake_the_next() -> None:
    """A chain of handlers, each of which closes the next one's socket."""
    count = 20
    sockets: dict[str, WebSocket] = {}
    ended: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        number = int(scope["path"][1:])
        sockets[scope["path"]] = websocket
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await websocket.receive_text()
        ended.append(number)
        if number + 1 < count:
            await sockets[f"/{number + 1}"].close()

    async def main() -> None:
        memory = Memory(app)
        peers = [memory.open(f"/{number}") for number in range(count)]
        assert await heard(lambda: all(peer.status for peer in peers))
        peers[0].send("go")
        assert await heard(lambda: ended == list(range(count)), 10 * count)
        for peer in peers:
            peer.lose()
        await memory.ended()

    asyncio.run(main())


def test_what_came_before_the_accept_wakes_a_reader() -> None:
    """A reader that waits from before the accept gets what came before it."""
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        reader = asyncio.ensure_future(receive())
        await accept.wait()
        await send({"type": "websocket.accept"})
        got.append(await reader)

    accept: Any = None

    async def main() -> None:
        nonlocal accept
        accept = asyncio.Event()
        memory = Memory(app)
        peer = memory.open()
        peer.send("early")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        accept.set()
        assert await heard(lambda: got)
        assert got == [{"type": "websocket.receive", "text": "early"}]
        peer.lose()
        await memory.ended()

    asyncio.run(main())


def test_past_sockets_leave_nothing_in_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither with a long interval, whose bucket would be reached in months, nor with a short one."""
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "disabled", True)  # pytest keeps what is logged

    async def main(interval: float) -> None:
        memory = Memory(echo, ws_ping_interval=interval)

        async def sockets(count: int) -> None:
            for _ in range(count):
                peer = memory.open()
                assert await heard(lambda peer=peer: peer.status)
                assert peer.transport.protocol.ping_timer
                peer.lose()
                await memory.ended()

        await sockets(50)
        gc.collect()
        tracemalloc.start()
        try:
            await sockets(50)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            await sockets(1000)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 1000 * 20, grown

    for interval in (30.0, 1e7):
        asyncio.run(main(interval))


def test_memory_goes_to_the_system_once_a_minute() -> None:
    """However often many streams are given back: what the C library keeps is free meanwhile."""

    class Loop:
        now = 1000.0
        asked: list[tuple[float, Any]] = []

        def time(self) -> float:
            return self.now

        def call_soon(self, *args: Any) -> None: ...

        def call_at(self, when: float, callback: Any) -> object:
            self.asked.append((when, callback))
            return self

    loop = Loop()
    reactor = Reactor(loop)  # type: ignore[arg-type]
    reactor.release([], 63)
    assert loop.asked == []
    reactor.release([], 64)
    reactor.release([], 64)
    assert [when for when, _ in loop.asked] == [1000.0]
    loop.now = 1001.0
    loop.asked.pop()[1]()
    loop.now = 1011.0
    reactor.release([], 64)
    reactor.release([], 64)
    assert [when for when, _ in loop.asked] == [1061.0]


def test_a_due_socket_may_end_others_of_its_bucket() -> None:
    """Sockets whose pings are due in one tick; the end of the first ends the next, and so on."""
    peers: list[Any] = []
    sockets: list[WebSocket] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        sockets.append(websocket)
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await websocket.receive_text()

    async def main() -> None:
        memory = Memory(app, ws_ping_interval=0.01, ws_ping_timeout=0.01)
        peers.extend(memory.open() for _ in range(10))
        assert await heard(lambda: len(sockets) == 10 and all(peer.status for peer in peers))
        for number, websocket in enumerate(sockets):
            RoomMember(websocket, outlet_of(websocket)).outbox.watch(peers[(number + 1) % len(peers)].lose)
        deadline = asyncio.get_running_loop().time() + 20
        while memory.state.connections:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)
        await memory.ended()

    asyncio.run(main())
