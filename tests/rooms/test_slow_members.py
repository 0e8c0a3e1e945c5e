"""A member that reads too slowly, on the wire: what each policy makes of it, in memory and on real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy
from wirefast.testing import Live, Peer, live


def app_of(policy: Policy) -> App:
    app = App(hub=Hub(policy=policy))

    @app.websocket("/")
    async def member(websocket: WebSocket, hub: Hub) -> None:
        await websocket.accept()
        async with hub.join("room", websocket):
            await websocket.send_text("joined")
            async for _ in websocket.iter_text():
                pass

    return app


async def publish(served: Live, *texts: str) -> None:
    for text in texts:
        await served.hub.publish("room", text)


async def read(peer: Peer, *texts: str) -> None:
    for text in texts:
        await peer.expect(text)


async def member(served: Live, name: str) -> Peer:
    peer = await served.connect("/", name=name)
    await peer.expect("joined")
    return peer


SERVERS = pytest.mark.parametrize("server", ["memory", "real"])


POLICIES = pytest.mark.parametrize(
    ("policy", "seen"),
    [
        (Policy("drop_new", max_messages=2), ["1", "2"]),
        (Policy("drop_old", max_messages=2), ["3", "4"]),
        (Policy("conflate", max_messages=2), ["4"]),
    ],
    ids=["drop_new", "drop_old", "conflate"],
)


@SERVERS
@POLICIES
def test_what_a_slow_member_misses(server: Any, policy: Policy, seen: list[str]) -> None:
    async def scene() -> None:
        async with live(app_of(policy), server=server) as served:
            quick, slow = await member(served, "quick"), await member(served, "slow")
            slow.stall()
            await publish(served, "1", "2", "3", "4")
            await read(quick, "1", "2", "3", "4")
            slow.resume()
            await read(slow, *seen)
            await slow.expect_nothing(0.01)
            assert served.hub.stats.dropped == 4 - len(seen)
            await quick.close()
            await slow.close()

    asyncio.run(scene())


@SERVERS
def test_a_slow_member_can_read_why_it_was_closed(server: Any) -> None:
    async def scene() -> None:
        async with live(app_of(Policy("close", max_messages=20)), server=server) as served:
            slow = await member(served, "slow")
            slow.stall()
            await publish(served, *"x" * 21)
            await slow.expect_close(1013, "too slow: 20 messages, 60 bytes waiting")  # as frames
            assert served.hub.stats.closed == 1

    asyncio.run(scene())


@SERVERS
def test_a_publisher_waits_until_the_deadline(server: Any) -> None:
    async def scene() -> None:
        async with live(app_of(Policy("wait", max_messages=1, deadline=5)), server=server) as served:
            slow = await member(served, "slow")
            slow.stall()
            await publish(served, "1")
            waits = asyncio.create_task(publish(served, "2"))
            await served.clock.advance(4)
            assert not waits.done()
            slow.resume()
            await waits
            await read(slow, "1", "2")
            slow.stall()
            await publish(served, "3")
            waits = asyncio.create_task(publish(served, "4"))
            await served.clock.advance(6)
            await waits
            await slow.expect_close(1013)

    asyncio.run(scene())
