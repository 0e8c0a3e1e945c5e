"""The supervisor over links of a network that lives in memory: what is wanted comes true, and what is lost is told.
Bounds are in test_supervisor_bounds.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_broker import PATIENCE, MemoryBroker, Network, run, until
from wirefast.rooms.brokers import BrokerUnavailable, subscriptions
from wirefast.rooms.brokers.link import one_line
from wirefast.rooms.brokers.outgoing import NOTICES
from wirefast.rooms.brokers.supervisor import BrokerLimits


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO)
    yield caplog
    assert not [record for record in caplog.records if record.name != "wirefast" or "\n" in record.getMessage()]


def test_delivery_and_the_end_of_it() -> None:
    async def scene() -> None:
        network = Network()
        one, two = await MemoryBroker(network).begin(), await MemoryBroker(network).begin()
        await one.join("a", "b")
        assert one.connected and one.rooms == {"a", "b"}
        two.publish("a", b"1")
        two.publish("c", b"2")
        two.publish("b", b"3")
        await two.flush()
        assert one.heard == [("a", b"1"), ("b", b"3")] and not two.heard
        one.unsubscribe("a")
        network.send("a", b"4")  # the network knows of it later
        one.unsubscribe("a")
        one.unsubscribe("never")
        await until(lambda: one.rooms == {"b"})
        assert len(one.heard) == 2 and not one.gaps
        await one.stop()
        await two.stop()
        await two.stop()
        assert not network.links and one.dropped == two.dropped == 0

    run(scene())


def test_start_fails_with_one_line(log: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        network = Network()
        network.refusal = "the door is closed"
        with pytest.raises(BrokerUnavailable, match="^Memory: the door is closed$"):
            await MemoryBroker(network).begin()
        network.refusal, network.stuck = None, {"open"}
        broker = MemoryBroker(network, BrokerLimits(connect_within=0.02))
        with pytest.raises(BrokerUnavailable, match="^Memory: no answer within 0.02 s$"):
            await broker.begin()
        network.stuck = set()
        await broker.begin()  # a start that failed may be tried again
        with pytest.raises(RuntimeError):
            await broker.begin()
        await broker.stop()

    run(scene())
    assert not log.records


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), st.sampled_from("abcd")),
        st.tuples(st.just("unsubscribe"), st.sampled_from("abcd")),
        st.tuples(st.sampled_from(["yield", "settle", "kill", "refuse", "admit", "send"]), st.just("")),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(OPERATIONS, st.sampled_from([0.0, 0.002, 60.0]), st.sampled_from([1, 2, 500]))
def test_any_sequence_against_a_model(operations: list[tuple[str, str]], linger: float, chunk: int) -> None:
    """The model: a set of rooms; each is owed one gap for each time it was wanted while there was no link."""

    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(
            network, BrokerLimits(first_delay=0.001, longest_delay=0.004, linger=linger)
        ).begin()
        wanted: set[str] = set()
        owed: set[str] = set()
        gaps: Counter[str] = Counter()
        expected: list[tuple[str, bytes]] = []
        number = 0

        async def settled() -> None:
            await until(lambda: broker.connected and wanted <= broker.rooms)
            if linger < 1:
                await until(lambda: broker.rooms == wanted)
            gaps.update(owed)
            owed.clear()
            assert Counter(broker.gaps) == gaps

        for name, room in [*operations, ("admit", ""), ("settle", ""), ("send", "")]:
            if name == "subscribe":
                if room not in wanted and broker._link is None:
                    owed.add(room)
                wanted.add(room)
                broker.subscribe(room)
            elif name == "unsubscribe":
                wanted.discard(room)
                owed.discard(room)
                broker.unsubscribe(room)
            elif name == "yield":
                await asyncio.sleep(0)
                # A gap that was told by now was owed.
                told = Counter(broker.gaps) - gaps
                assert set(told) <= owed and all(count == 1 for count in told.values())
                owed.difference_update(told)
                gaps.update(told)
            elif name == "kill" and broker._link is not None:
                network.kill()
                await until(lambda: broker._link is None)
                told = Counter(broker.gaps) - gaps
                gaps.update(told)
                owed.update(wanted)
            elif name == "refuse":
                network.refusal = "refused"
            elif name == "admit":
                network.refusal = None
            elif name == "settle" and network.refusal is None:
                await settled()
            elif name == "send" and network.refusal is None:
                await settled()
                for target in "abcd":
                    number += 1
                    network.send(target, b"%d" % number)
                    if target in wanted:
                        expected.append((target, b"%d" % number))
                assert broker.heard == expected
        for room in wanted:
            await broker.subscribed(room)
        await broker.stop()
        assert not network.links

    before, subscriptions.ROOMS_IN_A_CHANGE = subscriptions.ROOMS_IN_A_CHANGE, chunk
    try:
        run(scene())
    finally:
        subscriptions.ROOMS_IN_A_CHANGE = before


def test_a_lost_link_is_one_gap_for_each_room(log: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network).begin()
        await broker.join("a", "b")
        network.refusal = "not yet"
        network.kill("the cable was pulled")
        await until(lambda: not broker.connected)
        broker.subscribe("c")
        await broker.subscribed("c")  # at once: there is nothing to wait for
        assert not broker.gaps
        broker.unsubscribe("b")
        await until(lambda: any("not yet" in record.getMessage() for record in log.records))
        network.refusal = None
        await until(lambda: broker.connected)
        assert sorted(broker.gaps) == ["a", "c"] and broker.rooms == {"a", "c"}
        await broker.join("d")
        assert sorted(broker.gaps) == ["a", "c"]
        await broker.stop()

    run(scene())
    lines = [record.getMessage() for record in log.records]
    assert len(lines) == 3
    assert lines[0].startswith("Memory is lost: the cable was pulled;")
    assert lines[1] == "Memory is still away: not yet"
    assert lines[2].startswith("Memory is back after ")


def test_a_gap_is_told_before_what_comes_after_it() -> None:
    """A payload may be read in one go with the answer to the subscription, before anybody could wake up."""

    async def scene() -> None:
        network = Network()
        events: list[object] = []
        broker = MemoryBroker(network)
        await broker.start(lambda room, payload: events.append(payload), lambda rooms: events.append(rooms))
        await broker.join("a", "b")
        network.after_change = lambda: [network.send("b", b"1"), network.send("b", b"2")]
        network.kill()
        await until(lambda: len(events) == 4)
        await until(lambda: broker.connected)
        assert events == [["b"], b"1", b"2", ["a"]]
        await broker.stop()

    run(scene())


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("method", ["change", "publish", "check"])
def test_a_link_that_does_not_answer_is_replaced(method: str, stubborn: bool) -> None:
    async def scene() -> None:
        network = Network()
        network.stubborn = stubborn
        limits = BrokerLimits(first_delay=0.001, longest_delay=0.002, answer_within=0.05, check_every=0.01)
        broker = await MemoryBroker(network, limits).begin()
        await broker.join("a")
        network.stuck = {method}
        broker.subscribe("b")
        broker.publish("a", b"1")
        await until(lambda: network.opened > 1)
        network.stuck = set()
        await until(lambda: broker.connected and broker.rooms == {"a", "b"})
        assert "a" in broker.gaps
        await broker.stop()

    run(scene())


def test_an_answer_behind_a_backlog_is_waited_for() -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network, BrokerLimits(answer_within=0.2, first_delay=0.001)).begin()
        network.stuck = {"change"}
        broker.subscribe("a")
        link = network.links[0]
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not link.closed:  # it delivers all the time, but for ever that is no answer either
            link.heard += 1
            await asyncio.sleep(0.002)
        assert loop.time() - began > 0.2 * 2
        network.stuck = set()
        await until(lambda: broker.rooms == {"a"})
        await broker.stop()

    run(scene())


def test_an_error_nobody_expected_is_a_lost_link(log: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network).begin()

        async def change(add: Sequence[str], drop: Sequence[str]) -> None:
            raise ZeroDivisionError("two\nlines")

        network.links[0].change = change  # type: ignore[method-assign]
        broker.subscribe("a")
        await until(lambda: network.opened == 2 and broker.gaps)
        assert broker.gaps == ["a"] and broker.rooms == {"a"}
        await broker.stop()

    run(scene())
    assert "ZeroDivisionError: two lines" in log.messages[0]


def test_what_was_on_its_way_is_lost_and_not_sent_again() -> None:
    async def scene() -> None:
        network = Network()
        publisher, other = await MemoryBroker(network).begin(), await MemoryBroker(network).begin()
        await other.join("a", "b", "c")
        network.stuck = {"publish"}
        publisher.publish("a", b"1")
        publisher.publish("a", b"2")
        await until(lambda: not publisher.outgoing.queue)
        publisher.publish("b", b"3")
        flushing = asyncio.ensure_future(publisher.flush())
        # Only the publisher's link fails, so that the other hub can know of the loss by the notice alone.
        network.links[0].end("reset")
        network.stuck = set()
        await asyncio.wait_for(flushing, PATIENCE)
        await until(lambda: other.gaps)
        assert other.heard == [("b", b"3")] and other.gaps == ["a"]
        assert publisher.dropped == 2 and not publisher.gaps
        await publisher.stop()
        await other.stop()

    run(scene())


def test_a_notice_of_what_the_own_gap_covers_is_not_told_again() -> None:
    async def scene() -> None:
        network = Network()
        publisher, other = await MemoryBroker(network).begin(), await MemoryBroker(network).begin()
        await publisher.join("a")
        await other.join("a")
        network.stuck = {"publish"}
        publisher.publish("a", b"1")
        await until(lambda: not publisher.outgoing.queue)
        network.kill()
        await until(lambda: not publisher.connected and not other.connected)
        network.stuck = set()
        await until(lambda: publisher.connected and other.connected)
        await until(lambda: any(room == NOTICES for room, _ in network.published))
        assert publisher.dropped == 1
        assert other.gaps == ["a"] and publisher.gaps == ["a"]
        await publisher.stop()
        await other.stop()

    run(scene())


def test_a_handler_that_fails_harms_nobody(log: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        network = Network()
        broker = MemoryBroker(network)
        heard = []

        def deliver(room: str, payload: bytes) -> None:
            heard.append(payload)
            raise ValueError("from the handler")

        await broker.start(deliver, lambda rooms: deliver("", b"gap"))
        await broker.join("a")
        network.send("a", b"1")
        network.kill()
        await until(lambda: b"gap" in heard)
        network.send("a", b"2")
        assert heard == [b"1", b"gap", b"2"]
        await broker.stop()

    run(scene())
    assert len([record for record in log.records if record.exc_info]) == 3


def test_stop_waits_for_the_queue_but_not_for_ever() -> None:
    async def scene() -> None:
        network = Network()
        other = await MemoryBroker(network).begin()
        await other.join("a")
        broker = await MemoryBroker(network).begin()
        for _ in range(5_000):
            broker.publish("a", b"x")
        await broker.stop()
        assert len(other.heard) == 5_000 and broker.dropped == 0
        broker.publish("a", b"too late")
        assert broker.dropped == 1
        await broker.flush()

        stuck = await MemoryBroker(network, BrokerLimits(stop_within=0.02)).begin()
        network.stuck = {"publish", "change"}
        for _ in range(3_000):
            stuck.publish("a", b"x")
        stuck.subscribe("b")
        waiting = [asyncio.ensure_future(stuck.flush()), asyncio.ensure_future(stuck.subscribed("b"))]
        await stuck.stop()
        await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
        assert stuck.dropped == 3_000 and not stuck.connected
        await stuck.subscribed("b")
        await other.stop()

    run(scene())


def test_stop_while_the_broker_is_away() -> None:
    async def scene() -> None:
        network = Network()
        broker = await MemoryBroker(network).begin()
        network.refusal = "away"
        network.kill()
        await until(lambda: not broker.connected)
        broker.publish("a", b"x")
        await broker.stop()
        assert broker.dropped == 1 and not network.links

    run(scene())


def test_a_waiting_join_may_be_given_up() -> None:
    async def scene() -> None:
        network = Network()
        network.stuck = {"change"}
        broker = await MemoryBroker(network).begin()
        broker.subscribe("a")
        one = asyncio.ensure_future(broker.subscribed("a"))
        two = asyncio.ensure_future(broker.subscribed("a"))
        await asyncio.sleep(0)
        one.cancel()
        broker.unsubscribe("a")
        await asyncio.wait_for(two, PATIENCE)
        await broker.subscribed("a")
        await broker.stop()

    run(scene())


def test_the_delays_grow_and_vary() -> None:
    limits = BrokerLimits(first_delay=0.1, longest_delay=5.0)
    for attempt, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]):
        delays = {limits.delay(attempt) for _ in range(50)}
        assert longest / 2 <= min(delays) and max(delays) <= longest and len(delays) > 40
    assert limits.delay(10_000) <= 5.0


def test_a_link_that_fails_at_once_is_not_asked_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        network = Network()
        attempts: list[int] = []

        def delay(self: BrokerLimits, attempt: int) -> float:
            attempts.append(attempt)
            return 0.0

        monkeypatch.setattr(BrokerLimits, "delay", delay)
        broker = await MemoryBroker(network, BrokerLimits(longest_delay=60.0)).begin()
        for number in range(5):
            await until(lambda: network.links)
            network.kill(f"failure {number}")
            await until(lambda number=number: len(attempts) > number)
        assert attempts[:5] == [0, 1, 2, 3, 4]
        await broker.stop()

    run(scene())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\n  b"), "a b"),
        (asyncio.TimeoutError(), "TimeoutError"),
        (ValueError("x" * 300), "x" * 199 + "…"),
    ],
)
def test_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line
