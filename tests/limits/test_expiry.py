"""The end of a permission: a socket closed at a time of the day, warned before it, renewed."""

import asyncio
import time
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from wirefast import App, WebSocket
from wirefast._core import clock
from wirefast._core.deadlines import deadlines
from wirefast.metrics.catalogue import FAMILIES
from wirefast.testclient import TestClient
from wirefast.testing import Live


def expiring() -> App:
    app = App()

    @app.websocket("/")
    async def socket(websocket: WebSocket, seconds: float) -> None:
        assert websocket.expires_at is None
        websocket.expires_at = at = clock.wall_time() + seconds
        assert websocket.expires_at == at
        await websocket.accept()
        async for more in websocket.iter_text():
            websocket.expires_at = None if more == "never" else clock.wall_time() + float(more)
            await websocket.send_text(str(websocket.expires_at is None))

    return app


@pytest.mark.live(expiring, ws_ping_interval=None)
async def test_it_ends_and_is_renewed(live: Live) -> None:
    before = FAMILIES["wirefast_expiries_total"].of().value
    async with live.connect("/?seconds=20") as once, live.connect("/?seconds=30") as renewed:
        await live.clock.advance(19)
        assert once.closed is None
        for _ in range(3):
            await renewed.send("30")
            await renewed.expect("False")
            await live.clock.advance(15)
        await once.expect_close(4401, "permission expired")
        await renewed.send("never")
        await renewed.expect("True")
        await live.clock.advance(24 * 3600)
        await renewed.send("0")
        await renewed.expect("False")
        await live.clock.advance(2)
        await renewed.expect_close(4401, "permission expired")
    assert FAMILIES["wirefast_expiries_total"].of().value == before + 2


async def test_one_that_is_past_is_refused(live: Live) -> None:
    app = await live.start(App)

    @app.websocket("/")
    async def socket(websocket: WebSocket) -> None:
        websocket.expires_at = clock.wall_time() - 1

    assert (await live.expect_refused(401, "/")).json() == {"detail": "permission expired"}


@pytest.mark.parametrize("kind", ["message", "function", "coroutine"])
async def test_a_warning_comes_before(live: Live, kind: str) -> None:
    app = await live.start(App)

    async def later(websocket: WebSocket) -> None:
        await websocket.send_json({"type": "expiring"})

    def function(websocket: WebSocket) -> None:
        websocket.try_send({"type": "expiring"})

    @app.websocket("/")
    async def socket(websocket: WebSocket) -> None:
        websocket.warn_before_expiry(
            20, {"message": {"type": "expiring"}, "function": function, "coroutine": later}[kind]
        )
        websocket.expires_at = clock.wall_time() + 60
        await websocket.accept()
        async for _ in websocket.iter_text():
            websocket.expires_at = clock.wall_time() + 60

    async with live.connect("/") as peer:
        for _ in range(2):
            await live.clock.advance(38)
            await peer.expect_nothing(0.01)
            await live.clock.advance(4)
            await peer.expect({"type": "expiring"})
            await peer.send("renew")
            await live.settle()
        await live.clock.advance(42)
        await peer.expect({"type": "expiring"})
        await live.clock.advance(20)
        await peer.expect_close(4401, "permission expired")


def test_a_clock_that_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is one by the clock of the day, wherever that is set to."""
    monkeypatch.setattr("wirefast._core.deadlines.CLOCK_EVERY", 0.05)
    app = App()

    @app.websocket("/")
    async def socket(websocket: WebSocket) -> None:
        websocket.expires_at = clock.wall_time() + 3600
        await websocket.accept()
        await websocket.send_text("opened")
        async for _ in websocket.iter_text():
            pass

    with TestClient(app).websocket_connect("/") as websocket:
        assert websocket.receive_text() == "opened"
        monkeypatch.setattr(clock, "ahead", lambda: 3601.0)
        with pytest.raises(WebSocketDisconnect) as raised:
            websocket.receive_text()
    assert (raised.value.code, raised.value.reason) == (4401, "permission expired")


def test_a_thousand_cost_one_timer_and_leave_nothing() -> None:
    app = App()

    @app.websocket("/")
    async def socket(websocket: WebSocket) -> None:
        websocket.expires_at = time.time() + 1000
        await websocket.accept()
        await websocket.receive()

    async def scene() -> None:
        leave = asyncio.Event()

        async def one() -> None:
            first = True

            async def receive() -> Any:
                nonlocal first
                if first:
                    first = False
                    return {"type": "websocket.connect"}
                await leave.wait()
                return {"type": "websocket.disconnect", "code": 1000}

            async def send(message: Any) -> None: ...

            scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
            await app(scope, receive, send)  # type: ignore[arg-type]

        tasks = [asyncio.create_task(one()) for _ in range(1000)]
        for _ in range(5):
            await asyncio.sleep(0)
        wheel = deadlines(asyncio.get_running_loop(), True)
        assert len(wheel) == 1000 and wheel.ticks < 3
        timers = [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        assert len(timers) == 1
        leave.set()
        await asyncio.gather(*tasks)
        assert len(wheel) == 0

    asyncio.run(scene())


@pytest.mark.parametrize("wrong", ["soon", True, float("nan"), b"1"])
def test_what_is_no_time(wrong: Any) -> None:
    websocket = WebSocket({"type": "websocket", "headers": []}, None, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expires_at takes seconds since 1970"):
        websocket.expires_at = wrong
    with pytest.raises(ValueError, match="at least 0"):
        websocket.warn_before_expiry(-1, "x")
