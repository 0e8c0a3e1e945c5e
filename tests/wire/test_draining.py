"""Draining by the clock: when each socket is closed, what it is told, what is waited for."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from ways import OURS, live_by
from wirefast import App, WebSocket
from wirefast.testing import Live

live = live_by(*OURS)


class Going(BaseModel):
    type: Literal["going"] = "going"
    name: str


async def echo(websocket: WebSocket) -> None:
    websocket.state.name = "ada"
    await websocket.accept()
    async for text in websocket.iter_text():
        if text == "slow":
            await asyncio.sleep(1)
        await websocket.send_text(f"re: {text}")


async def push(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        websocket.app.state.cancelled = True
        raise


@pytest.fixture
def live_app() -> App:
    app = App()
    app.websocket("/echo")(echo)
    app.websocket("/push")(push)

    @app.get("/http")
    async def http() -> str:
        return "here"

    return app


async def many(live: Live, count: int) -> list[Any]:
    return [await live.connect("/echo") for _ in range(count)]


async def ends(live: Live, peers: list[Any], *moments: float) -> list[int]:
    """How many of the peers have been closed at each moment of a drain that begins now."""
    live.clock.freeze()
    stopping, counts, before = live.shutdown(), [], 0.0
    for moment in moments:
        await live.clock.advance(moment - before)
        before = moment
        counts.append(sum(peer.closed is not None for peer in peers))
    await live.clock.advance(60)
    await stopping
    for peer in peers:
        assert (await peer.expect_close(1012))[1].startswith("retry=")
    return counts


@pytest.mark.live(drain_batch=4, drain_every=0.3)
async def test_batches_are_spread(live: Live) -> None:
    assert await ends(live, await many(live, 12), 0, 0.29, 0.31, 0.59, 0.61) == [4, 4, 8, 8, 12]


@pytest.mark.live(drain_batch=12, drain_every=30)
async def test_a_batch_larger_than_all_closes_at_once(live: Live) -> None:
    assert await ends(live, await many(live, 12), 0) == [12]


@pytest.mark.live(drain_batch=1, drain_every=0.5, timeout_graceful_shutdown=5)
async def test_batches_that_would_take_too_long_grow(live: Live) -> None:
    assert (await ends(live, await many(live, 40), 0, 4))[-1] == 40


async def test_the_times_to_come_back_differ(live: Live) -> None:
    peers = await many(live, 20)
    await ends(live, peers)
    times = {int(peer.closed[1].removeprefix("retry=")) for peer in peers}
    assert len(times) > 10 and max(times) <= 500  # as long as there are few, they may come back soon


async def test_the_answer_to_a_message_is_sent_before_the_close(live: Live) -> None:
    async with live.connect("/echo") as ann:
        await ann.send("slow")
        stopping = live.shutdown()
        await ann.expect_nothing(0.01)
        await live.clock.advance(60)
        await ann.expect("re: slow")
        await ann.expect_close(1012)
        await stopping


@pytest.mark.live(timeout_graceful_shutdown=6)
async def test_a_handler_that_never_receives_is_not_waited_for_and_cancelled_in_the_end(live: Live) -> None:
    async with live.connect("/push", within=0.5) as ann:
        live.clock.freeze()
        stopping = live.shutdown()
        await ann.expect_close(1012)
        assert not stopping.done()
        await live.clock.advance(7)
        await stopping
        assert live.app.state.cancelled


@pytest.mark.live(timeout_graceful_shutdown=3)
async def test_hooks_run_for_each_socket_and_what_they_return_is_sent(live: Live, live_app: App) -> None:
    @live_app.on_drain
    async def going(websocket: WebSocket) -> Going | None:
        return Going(name=websocket.state.name) if websocket.url.path == "/echo" else None

    @live_app.on_drain(deadline=0.2)
    async def stuck(websocket: WebSocket) -> None:
        if websocket.url.path == "/push":
            await asyncio.Event().wait()

    @live_app.on_drain
    async def broken(websocket: WebSocket) -> None:
        if websocket.url.path == "/push":
            raise LookupError("broken hook")

    with live.expect_exception(LookupError, "broken hook"):
        async with live.connect("/echo") as ann, live.connect("/push", within=0.5) as bob:
            stopping = live.shutdown()
            await live.clock.advance(4)
            await stopping
            await ann.expect(Going(name="ada"))
            await ann.expect_close(1012)
            await bob.expect_close(1012)
    said = [record.getMessage() for record in live.exceptions.records]
    assert any("stuck did not end in 0.2 seconds" in line for line in said)


async def test_a_response_says_that_its_connection_ends(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 0.53 uvicorn does not say so when it is the server that ends it."""
    given, send = [], RequestResponseCycle.send

    async def sent(cycle: Any, message: Any) -> None:
        given.extend(message.get("headers", ()))
        await send(cycle, message)

    monkeypatch.setattr(RequestResponseCycle, "send", sent)
    async with live.connect("/echo") as ann:
        await ann.send("slow")
        stopping = live.shutdown()
        await ann.expect_nothing(0.01)
        response = await live.http.get("/http")
        assert (response.status_code, response.headers["connection"]) == (200, "close")
        assert given.count((b"connection", b"close")) == 1
        await live.clock.advance(60)
        await ann.expect_close(1012)
        await stopping
