"""One callback a turn and one timer for all connections of a loop."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from apps import echo, recorded
from peer import TEXT, close_frame, frame

from memory import Memory


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
