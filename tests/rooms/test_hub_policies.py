"""Hub and slow members: each policy, the order of messages, members that break; on every kind of server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import starlette.websockets

import wirefast
from wirefast.rooms import Drop, Hub, Policy
from wirefast.testing import Live


async def room_of(member: Any, hub: Hub) -> tuple[Any, Any]:
    """One that reads and one that does not, with one message on its way to it where the server holds that."""
    slow, healthy = await member(), await member()
    for socket in (slow, healthy):
        await hub.join("room", socket.websocket)
    slow.stall()
    if member.kind != "ours":
        await hub.publish("room", "in flight")
        await member.live.settle()
    return slow, healthy


def texts(socket: Any) -> list[str]:
    return [message for message in socket.unread if message != "in flight"]


def numbers(*parts: Any) -> list[str]:
    return [str(number) for part in parts for number in part]


@pytest.mark.parametrize(
    ("name", "expected", "reached"),
    [
        ("drop_new", numbers(range(3)), 13),
        ("drop_old", numbers(range(7, 10)), 20),
        ("conflate", numbers([8, 9]), 20),
    ],
)
@pytest.mark.parametrize("place", ["hub", "room", "call"])
async def test_the_dropping_policies(
    member: Any, live: Live, name: str, expected: list[str], reached: int, place: str
) -> None:
    policy, drops = Policy(name, max_messages=3), []
    choices: dict[str, Any] = {"hub": policy, "room": lambda room: policy if room == "room" else "close"}
    hub = Hub(policy=choices.get(place, "close"), on_drop=drops.append)
    slow, healthy = await room_of(member, hub)
    before = hub.stats.reached
    call = {"policy": policy} if place == "call" else {}
    total = sum([await hub.publish("room", str(n), key=n % 2, **call) for n in range(10)])
    await live.settle()
    assert texts(healthy) == numbers(range(10))
    assert total == hub.stats.reached - before == reached
    dropped = 10 - len(expected)
    assert (hub.stats.dropped, hub.stats.dropped_bytes) == (dropped, 3 * dropped)
    assert drops == [Drop(slow.websocket, ("room",), name, 1, 3)] * dropped
    slow.resume()
    await live.settle()
    assert texts(slow) == expected
    assert await hub.publish("room", "again") == 2
    await live.settle()
    assert texts(slow)[-1] == "again"


async def test_the_policy_close_is_the_default_and_says_why(member: Any, live: Live) -> None:
    drops: list[Drop] = []
    hub = Hub(on_drop=drops.append)
    slow, healthy = await room_of(member, hub)
    reached = [await hub.publish("room", str(n)) for n in range(1026)]
    assert reached == [2] * 1024 + [1] * 2
    assert hub.members("room") == [healthy.websocket]
    assert (hub.stats.closed, hub.stats.ended, hub.stats.dropped) == (1, 1, 1025)
    assert [(drop.policy, drop.messages) for drop in drops] == [("close", 1025)]
    slow.resume()
    await live.settle()
    assert texts(slow) == []
    assert slow.closed[0] == 1013
    assert slow.closed[1].startswith("too slow: 1024 messages, ")
    await live.settle()
    assert texts(healthy) == numbers(range(1026))


async def test_bytes_are_a_bound_too(member: Any, live: Live) -> None:
    hub = Hub(policy=Policy("drop_old", max_bytes=10_000))
    slow, healthy = await room_of(member, hub)
    for number in range(100):
        await hub.publish("room", f"{number:03}" + "x" * 997)
        box = slow.websocket.buffered if hasattr(slow.websocket, "buffered") else None
        assert box is None or box.bytes <= 10_000
    slow.resume()
    await live.settle()
    assert [message[:3] for message in texts(slow)] == [f"{number:03}" for number in range(91, 100)]


async def test_waiting_for_a_slow_member(member: Any, live: Live) -> None:
    hub = Hub(policy=Policy("wait", max_messages=2, deadline=30))
    slow, healthy = await room_of(member, hub)
    assert [await hub.publish("room", str(n)) for n in range(2)] == [2, 2]
    waiting = [asyncio.create_task(hub.publish("room", str(n))) for n in range(2, 7)]
    await live.settle()
    assert not any(task.done() for task in waiting)
    # The others have it at once.
    assert texts(healthy) == numbers(range(7))
    cancelled = waiting.pop(1)
    cancelled.cancel()
    await live.settle()
    slow.resume()
    assert await asyncio.gather(*waiting) == [2] * 4
    await live.settle()
    assert texts(slow) == numbers([0, 1, 2], range(4, 7))
    assert cancelled.cancelled()
    assert (hub.stats.dropped, hub.stats.closed) == (0, 0)
    assert await hub.publish("room", "more") == 2


async def test_waiting_ends_at_the_deadline_or_with_the_socket(member: Any, live: Live) -> None:
    hub = Hub(policy=Policy("wait", max_messages=1, deadline=0.05))
    lost = await member()
    await hub.join("room", lost.websocket)
    lost.stall()
    slow, healthy = await room_of(member, hub)
    assert await hub.publish("room", "0") == 3
    late = asyncio.create_task(hub.publish("room", "1"))
    await live.settle()
    if member.kind == "ours":
        lost.reset()
        await live.settle()
    assert await late == 1
    assert hub.stats.closed == (1 if member.kind == "ours" else 2)
    assert hub.members("room") == [healthy.websocket]
    slow.resume()
    await live.settle()
    assert slow.closed[0] == 1013


async def test_a_publisher_cancelled_before_its_turn_leaves_the_line(member: Any, live: Live) -> None:
    hub = Hub(policy=Policy("wait", max_messages=1, deadline=30))
    slow, _ = await room_of(member, hub)
    await hub.publish("room", "0")
    task = asyncio.create_task(hub.publish("room", "given up"))
    await asyncio.sleep(0)
    task.cancel()
    await live.settle()
    slow.resume()
    await live.settle()
    assert await asyncio.wait_for(hub.publish("room", "1"), 20) == 2
    await live.settle()
    assert texts(slow) == ["0", "1"]


async def test_the_order_among_plain_sends_and_published_messages(member: Any, live: Live) -> None:
    hub = Hub()
    socket, _ = await room_of(member, hub)
    sends = []
    for number in range(12):
        if number % 3 == 1:
            sends.append(asyncio.create_task(socket.websocket.send_text(str(number))))
            await live.settle()
        else:
            await hub.publish("room", str(number))
    assert not any(task.done() for task in sends)
    socket.resume()
    await asyncio.gather(*sends)
    await hub.publish("room", "12")
    await socket.websocket.send_text("13")
    await live.settle()
    assert texts(socket) == numbers(range(14))


async def test_a_plain_send_behind_a_peer_that_is_lost_fails(member: Any, live: Live) -> None:
    hub = Hub()
    socket, _ = await room_of(member, hub)
    await hub.publish("room", "waits")
    send = asyncio.create_task(socket.websocket.send_text("too"))
    await live.settle()
    socket.reset()
    with pytest.raises(wirefast.WebSocketDisconnect):
        await asyncio.wait_for(send, 20)


async def test_a_closed_room_closes_a_slow_member_behind_what_waits_for_it(member: Any, live: Live) -> None:
    hub = Hub()
    slow, healthy = await room_of(member, hub)
    for number in range(3):
        await hub.publish("room", str(number))
    assert await hub.close("room", 4001, "over") == 2
    await live.settle()
    slow.resume()
    await live.settle()
    assert texts(slow) == texts(healthy) == numbers(range(3))
    assert slow.closed == healthy.closed == (4001, "over")


async def test_one_broken_member_does_not_break_the_loop(
    member: Any, live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(starlette.websockets.WebSocket):
        async def send(self, message: Any) -> None:
            if message["type"] == "websocket.send":
                raise ZeroDivisionError
            await super().send(message)

    hub, socket, bad = Hub(), await member(), await member(Broken)
    await hub.join("room", bad.websocket)
    await hub.join("room", socket.websocket)
    with live.expect_exception(ZeroDivisionError):
        for _ in range(3):
            await hub.publish("room", "x")
            await live.settle()
    assert socket.unread == ["x"] * 3
    assert hub.members("room") == [socket.websocket]
    assert [record.getMessage() for record in caplog.records] == ["Sending to a WebSocket failed"]


async def test_a_subclass_with_its_own_send_is_respected(member_of: Any) -> None:
    class Loud(wirefast.WebSocket):
        async def send(self, message: Any) -> None:
            if "text" in message:
                message = {**message, "text": message["text"].upper()}
            await super().send(message)

    hub, socket = Hub(), await member_of(Loud)
    await hub.join("room", socket.websocket)
    await hub.publish("room", "loud")
    await socket.expect("LOUD")
    await socket.websocket.send_text("plain")
    await socket.expect("PLAIN")


async def test_a_hook_that_fails_is_logged(member_of: Any, live: Live, caplog: pytest.LogCaptureFixture) -> None:
    """With one traceback at first and a few later: one slow client calls it thousands of times."""
    hub = Hub(policy=Policy("drop_new", max_messages=1), on_drop=lambda drop: 1 // 0)
    await room_of(member_of, hub)
    with live.expect_exception(ZeroDivisionError, times=3):
        assert [await hub.publish("room", "x") for _ in range(201)] == [2] + [1] * 200
    assert hub.stats.dropped == 200
    said = ["on_drop failed", "on_drop failed, for the 10th time", "on_drop failed, for the 100th time"]
    assert [record.getMessage() for record in caplog.records] == said
    assert all(record.exc_info is not None for record in caplog.records)


async def test_closing_behind_what_waits(member: Any, live: Live) -> None:
    hub = Hub()
    slow, healthy = await room_of(member, hub)
    for number in range(5):
        await hub.publish("room", str(number))
    assert await hub.close("room", 1001) == 2
    assert await hub.publish("room", "too late") == 0
    await slow.websocket.close()
    slow.resume()
    await live.settle()
    assert (texts(slow), slow.closed) == (numbers(range(5)), (1001, ""))
