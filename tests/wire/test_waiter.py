"""The awaitable of the next event, as tasks see it."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from apps import echo
from peer import TEXT, close_frame, frame

from memory import Memory

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE")


def test_a_task_keeps_its_context(serve: Any, loop_name: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        VARIABLE.set(scope["path"])
        while (message := await receive())["type"] == "websocket.receive":
            assert asyncio.current_task() is not None
            VARIABLE.set(VARIABLE.get() + message["text"])
            await send({"type": "websocket.send", "text": VARIABLE.get()})

    server = serve(app, loop=loop_name)
    one, two = server.opened("/one"), server.opened("/two")
    for suffix in (b"a", b"ab"):
        for name, peer in ((b"/one", one), (b"/two", two)):
            peer.send(frame(TEXT, suffix[-1:]))
            assert peer.frame().data == name + suffix
    for peer in (one, two):
        peer.send(close_frame()).frame()


def test_a_cancelled_task_ends(serve: Any, loop_name: str) -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await receive()
        except asyncio.CancelledError:
            ended.append(True)
            raise

    server = serve(app, loop=loop_name)
    with server.opened() as peer:
        server.call(lambda: [task.cancel() for task in server.server.server_state.tasks])
        assert peer.frame().code == 1012
        peer.send(close_frame(1012))
        assert peer.ended()
    assert ended == [True]
    assert server.errors == []


def test_timeouts_around_receive(serve: Any, loop_name: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        misses = 0
        for _ in range(3):
            try:
                await asyncio.wait_for(receive(), 0.01)
            except asyncio.TimeoutError:
                misses += 1
        await send({"type": "websocket.send", "text": str(misses)})
        first, second = await asyncio.gather(receive(), receive())
        await send({"type": "websocket.send", "text": first["text"] + second["text"]})

    server = serve(app, loop=loop_name)
    with server.opened() as peer:
        assert peer.frame().data == b"3"
        peer.send(frame(TEXT, b"x"), frame(TEXT, b"y"))
        assert sorted(peer.frame().data) == list(b"xy")
        peer.send(close_frame())


def test_debug_mode(serve: Any) -> None:
    server = serve(echo, loop="asyncio")
    server.call(lambda: asyncio.get_running_loop().set_debug(True))
    with server.opened() as peer:
        peer.send(frame(TEXT, b"x"))
        assert peer.frame().data == b"x"
        peer.send(close_frame()).frame()
    server.stop()
    assert server.errors == []


def test_what_a_future_is_asked() -> None:
    """By whoever drives a receive by hand: a callback is removed once, a wait ends once."""
    called: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        waiting = receive()
        future = next(waiting.__await__())
        assert asyncio.isfuture(future) and not future.done()
        future.add_done_callback(called.append, context=contextvars.copy_context())
        assert (future.remove_done_callback(called.append), future.remove_done_callback(called.append)) == (1, 0)
        assert (future.cancel(), future.cancel(), future.done()) == (True, False, True)
        future.add_done_callback(called.append)
        waiting.close()
        while not called:
            await asyncio.sleep(0)
        assert called == [future]
        # A wait that ended so takes nothing along.
        assert (await receive())["text"] == "still there"
        await send({"type": "websocket.close"})

    async def main() -> None:
        memory = Memory(app)
        peer = memory.open()
        while not called:
            await asyncio.sleep(0)
        peer.send("still there")
        await memory.settled(peer)
        assert peer.close_code == 1000

    asyncio.run(asyncio.wait_for(main(), 60))
