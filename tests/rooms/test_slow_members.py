"""A member that reads too slowly, on the wire: what each policy makes of it, in memory and on real sockets."""

from __future__ import annotations

import asyncio

import pytest

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy
from wirefast.testing import Live, Peer

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def app(policy: Policy) -> App:
    app = App(hub=Hub(policy=policy))

    @app.websocket("/")
    async def member(websocket: WebSocket, hub: Hub) -> None:
        await websocket.accept()
        async with hub.join("room", websocket):
            await websocket.send_text("joined")
            async for _ in websocket.iter_text():
                pass

    return app


async def publish(live: Live, texts: str) -> None:
    for text in texts:
        await live.hub.publish("room", text)


async def joined(live: Live) -> Peer:
    peer = await live.connect("/", keep=True)
    await peer.expect("joined")
    return peer


@pytest.mark.parametrize(
    ("policy", "seen"),
    [
        (Policy("drop_new", max_messages=2), "12"),
        (Policy("drop_old", max_messages=2), "34"),
        (Policy("conflate", max_messages=2), "4"),
    ],
    ids=["drop_new", "drop_old", "conflate"],
)
async def test_what_a_slow_member_misses(live: Live, seen: str) -> None:
    quick, slow = await joined(live), await joined(live)
    slow.stall()
    await publish(live, "1234")
    await quick.expect_all(*"1234")
    slow.resume()
    await slow.expect_all(*seen)
    await slow.expect_nothing(0.01)
    assert live.hub.stats.dropped == 4 - len(seen)


@pytest.mark.parametrize("policy", [Policy("close", max_messages=20)], ids=["close"])
async def test_a_slow_member_can_read_why_it_was_closed(live: Live) -> None:
    slow = await joined(live)
    slow.stall()
    await publish(live, "x" * 21)
    await slow.expect_close(1013, "too slow: 20 messages, 60 bytes waiting")  # as frames
    assert live.hub.stats.closed == 1


@pytest.mark.parametrize("policy", [Policy("wait", max_messages=1, deadline=5)], ids=["wait"])
async def test_a_publisher_waits_until_the_deadline(live: Live) -> None:
    slow = await joined(live)
    slow.stall()
    await publish(live, "1")
    waits = asyncio.create_task(publish(live, "2"))
    await live.clock.advance(4)
    assert not waits.done()
    slow.resume()
    await waits
    await slow.expect_all("1", "2")
    slow.stall()
    await publish(live, "3")
    waits = asyncio.create_task(publish(live, "4"))
    await live.clock.advance(6)
    await waits
    await slow.expect_close(1013)
