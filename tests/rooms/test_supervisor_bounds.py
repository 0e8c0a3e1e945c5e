"""The bounds of the supervisor: its queue, its notices, the rooms that linger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import orjson
import pytest

from memory_broker import MemoryBroker, Network, run, until
from wirefast.rooms.brokers import subscriptions
from wirefast.rooms.brokers.notices import ROOMS_IN_A_NOTICE
from wirefast.rooms.brokers.outgoing import NOTICES
from wirefast.rooms.brokers.supervisor import BrokerLimits


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO)
    yield caplog
    assert not [record for record in caplog.records if record.name != "wirefast" or "\n" in record.getMessage()]


@pytest.mark.parametrize(
    ("limits", "payloads", "kept"),
    [
        (BrokerLimits(queue_payloads=3, first_delay=0.001), [b"x"] * 5, 3),
        (BrokerLimits(queue_bytes=10, first_delay=0.001), [b"x" * 4] * 5, 2),
        (BrokerLimits(queue_bytes=10, first_delay=0.001), [b"x" * 11, b"y"], 1),
    ],
)
def test_the_queue_is_bounded(
    limits: BrokerLimits, payloads: list[bytes], kept: int, log: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        network = Network()
        publisher, other = await MemoryBroker(network, limits).begin(), await MemoryBroker(network).begin()
        await other.join("a", "b")
        network.refusal = "away"
        network.links[0].end("away")
        await until(lambda: not publisher.connected)
        for payload in payloads:
            publisher.publish("a", payload)
        assert publisher.dropped == len(payloads) - kept
        network.refusal = None
        await until(lambda: other.gaps)
        await publisher.flush()
        assert len(other.heard) == kept and other.gaps == ["a"]
        assert publisher.dropped == len(payloads) - kept
        await publisher.stop()
        await other.stop()

    run(scene())
    lines = [line for line in log.messages if "dropped" in line]
    assert len(lines) == 2 and "the queue is full" in lines[0] and f"{len(payloads) - kept} payloads" in lines[1]


def test_too_many_lost_rooms_are_all_rooms() -> None:
    async def scene() -> None:
        network = Network()
        publisher = await MemoryBroker(network, BrokerLimits(queue_payloads=0)).begin()
        other = await MemoryBroker(network).begin()
        await other.join("never lost")
        for number in range(ROOMS_IN_A_NOTICE + 1):
            publisher.publish(f"room {number}", b"")
        assert not publisher.outgoing.lost
        await until(lambda: other.gaps)
        assert other.gaps == ["never lost"]
        for number in range(1_000):  # an overload: the next notice waits its time
            publisher.publish(f"room {number}", b"")
            await asyncio.sleep(0)
        assert len([room for room, _ in network.published if room == NOTICES]) <= 2
        await publisher.stop()
        await other.stop()

    run(scene())


def test_a_refused_payload_is_told_to_the_others(log: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        network = Network()
        publisher, other = await MemoryBroker(network).begin(), await MemoryBroker(network).begin()
        await other.join("a", "b")
        network.denied = {"a"}
        for payload in (b"1", b"2"):
            publisher.publish("a", payload)
            publisher.publish("b", payload)
        await publisher.flush()
        await until(lambda: other.gaps)
        assert other.gaps == ["a"] and other.heard == [("b", b"1"), ("b", b"2")] and publisher.dropped == 2
        await publisher.stop()
        await other.stop()

    run(scene())
    assert log.messages == ["Memory refused a payload of room 'a': denied (said once)"]


@pytest.mark.parametrize(
    "notice",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"from": "x", "age": 0}',
        b'{"from": "x", "age": "soon", "rooms": null}',
        b'{"from": "x", "age": 0, "rooms": 5}',
        b'{"from": "x", "age": 0, "rooms": ["b", "", 7, null, ["a"]]}',
        b'{"from": "x", "age": 1e9, "rooms": ["a"]}',
    ],
)
def test_notices_that_say_nothing(notice: bytes) -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network).begin()
        await broker.join("a")
        network.send(NOTICES, notice)
        assert broker.gaps == []
        network.send(NOTICES, orjson.dumps({"from": "x", "age": 0, "rooms": ["a"]}))
        assert broker.gaps == ["a"]
        await broker.stop()

    run(scene())


def test_a_room_lingers() -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network, BrokerLimits(linger=60.0)).begin()
        await broker.join("a")
        for _ in range(100):
            broker.unsubscribe("a")
            broker.subscribe("a")
        await broker.subscribed("a")
        assert network.commands == [(["a"], [])]
        rooms = [f"room {number}" for number in range(subscriptions.ROOMS_LINGERING + 10)]
        await broker.join(*rooms)
        for room in rooms:
            broker.unsubscribe(room)
        assert len(broker.subscriptions.lingering) == subscriptions.ROOMS_LINGERING
        await until(lambda: not broker.rooms & set(rooms[:10]))
        assert set(rooms[10:]) <= broker.rooms
        await broker.stop()

    run(scene())


def test_nothing_grows_with_rooms_that_come_and_go() -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network).begin()
        for number in range(5_000):
            room = f"room {number}"
            broker.subscribe(room)
            if number % 3:
                await broker.subscribed(room)
            broker.unsubscribe(room)
        await until(lambda: not broker.rooms)
        subs = broker.subscriptions
        for kept in (subs.wanted, subs.confirmed, subs.changed, subs.lingering, subs.missed):
            assert not kept
        assert not broker.subscriptions.waiting
        await broker.stop()

    run(scene())


def test_what_a_client_dropped_is_told_once_a_second() -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network).begin()
        await broker.join("a", "b")
        for _ in range(1_000):
            network.links[0].overrun("a")
            network.links[0].overrun("b")
            network.links[0].overrun("unknown")
        broker.unsubscribe("b")
        await until(lambda: broker.gaps)
        assert broker.gaps == ["a"]
        await broker.stop()

    run(scene())
