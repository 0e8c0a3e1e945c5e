"""Keepalive by the clock: pings, the pongs that answer them, and the end of a peer that does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from apps import recorded

from ways import MEMORY, OURS, live_by
from wirefast.testing import Live

PONG = 0xA
live = live_by(*OURS)


@pytest.fixture
def live_app() -> Any:
    return recorded()


@pytest.mark.live(ws_ping_interval=20, ws_ping_timeout=20)
async def test_K01_a_busy_handler_keeps_a_peer_that_answers(live: Live, live_app: Any) -> None:
    released = asyncio.Event()

    async def busy(receive: Any, send: Any) -> None:
        await released.wait()
        await send({"type": "websocket.send", "text": "still here"})

    live_app.script = busy
    async with live.connect("/") as peer:
        for _ in range(5):
            await peer.send("unread")
        # Pongs that nobody heard would have ended it after interval and timeout.
        await live.clock.advance(200)
        assert [await peer.expect_ping() for _ in range(9)]
        released.set()
        await peer.expect("still here")


@pytest.mark.live(ws_ping_interval=20, ws_ping_timeout=20)
async def test_K01_a_peer_that_cannot_be_heard_is_kept(live: Live, live_app: Any) -> None:
    """Its messages filled what is kept, so its pongs are unread: that is not its fault."""
    woken = asyncio.Event()

    async def count(receive: Any, send: Any) -> None:
        await woken.wait()
        for _ in range(40):
            assert (await receive())["type"] == "websocket.receive"
        await send({"type": "websocket.send", "text": "all"})

    live_app.script = count
    async with live.connect("/") as peer:
        for _ in range(40):
            await peer.send(b"x" * 65536)
        await live.clock.advance(200)
        woken.set()
        await peer.expect("all")


@pytest.mark.parametrize("answer", [None, b"wrong"], ids=["silent", "wrong pongs"])
@pytest.mark.live(ws_ping_interval=20, ws_ping_timeout=20)
async def test_K02_pings_without_answers_end_the_connection(live: Live, live_app: Any, answer: bytes | None) -> None:
    async with live.connect("/") as peer:
        peer.mute()
        await live.clock.advance(20)
        await peer.expect_ping()
        if answer is not None:
            await peer.send_frame(PONG, answer)
            await peer.send("but alive")
        await live.clock.advance(20)
        await peer.expect_close(1011, "keepalive ping timeout")
    assert live_app.events[-1] == {"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"}
    assert live.exceptions.records == []


@pytest.mark.live(ws_ping_interval=None)
async def test_keepalive_off(live: Live) -> None:
    async with live.connect("/") as peer:
        await live.clock.advance(24 * 3600)
        with pytest.raises(AssertionError, match="expected a ping within 0.01 s"):
            await peer.expect_ping(within=0.01)
        (protocol,) = live._server.protocols()
        assert protocol.ping_timer is None


@pytest.mark.live(ws_ping_interval=20, ws_ping_timeout=None)
async def test_pings_without_a_timeout(live: Live) -> None:
    async with live.connect("/") as peer:
        peer.mute()
        await live.clock.advance(100)
        assert [await peer.expect_ping() for _ in range(4)]


@pytest.mark.live(ws_ping_interval=2, ws_ping_timeout=300)
async def test_the_interval_holds_where_the_timeout_is_longer(live: Live) -> None:
    async with live.connect("/") as peer:
        await live.clock.advance(10.5)
        assert len([await peer.expect_ping() for _ in range(5)]) == 5


@pytest.mark.live(ws_ping_interval=2, ws_ping_timeout=200)
async def test_a_late_pong_is_ignored(live: Live) -> None:
    async with live.connect("/") as peer:
        peer.mute()
        await live.clock.advance(2.2)
        first = await peer.expect_ping()
        await peer.send_frame(PONG, first)
        await live.clock.advance(2.2)
        second = await peer.expect_ping()
        assert second != first
        for data in (first, second, second):
            await peer.send_frame(PONG, data)
        await live.clock.advance(2.2)
        await peer.expect_ping()


@pytest.mark.parametrize("live", [MEMORY], indirect=True)  # forty sockets whose every ping is a step of the clock
@pytest.mark.live(ws_ping_interval=20, ws_ping_timeout=200)
async def test_pings_are_spread_and_need_one_timer(live: Live) -> None:
    live.clock.freeze()
    peers = [await live.connect("/") for _ in range(40)]
    assert len({id(protocol.ping_timer) for protocol in live._server.protocols()}) > 5
    await live.clock.advance(25)
    assert len({event.at for event in live.transcript if event.text.startswith("ping")}) > 5
    for peer in peers:
        await peer.expect_ping()
        await peer.close()
