"""The monotonic clock of compiled code, which a test can move."""

import asyncio
import time

import pytest

from wirefast import App, Limits, WebSocket
from wirefast._core import clock, instant
from wirefast._core.deadlines import Call, deadlines
from wirefast._core.instant import ahead, move
from wirefast.testing import live
from wirefast.testing.clock import clock_of


def test_it_is_compiled() -> None:
    assert not instant.__file__.endswith(".py")


def test_a_test_is_ahead() -> None:
    move(lambda: 50.0)
    try:
        assert ahead() == 50.0
        assert clock.monotonic() - time.monotonic() == pytest.approx(50, abs=1)
    finally:
        move(None)
    assert ahead() == 0.0
    assert clock.monotonic() - time.monotonic() == pytest.approx(0, abs=1)


def test_a_loop_gets_another_clock_when_deadlines_wait() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        met: list[float] = []
        wheel = deadlines(loop)
        clock_of(loop)
        Call(lambda: met.append(loop.time())).at(wheel, loop.time() + 1000)
        began = loop.time()
        await clock_of(loop).advance(990)
        assert met == []
        await clock_of(loop).advance(61)  # a deadline that far away waits in a wide bucket first
        assert met and met[0] - began >= 1000

    asyncio.run(scene())


def test_idleness_goes_with_the_clock_of_a_test() -> None:
    app = App(limits=Limits(idle=100.0))

    @app.websocket("/")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass

    async def scene() -> None:
        async with live(app) as server, server.connect("/") as peer:
            await server.clock.advance(90)
            await peer.send("still here")
            await server.clock.advance(90)
            await peer.expect_nothing()
            await server.clock.advance(15)
            await peer.expect_close(4408, "no message for too long")

    asyncio.run(scene())
