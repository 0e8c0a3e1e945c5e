"""The outbox of a socket: bounds, policies, order."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirefast._core.outbox import Outbox, Outcome, Policy, as_policy

NAMES = ["wait", "close", "drop_new", "drop_old", "conflate"]


def offer(
    outbox: Outbox, payload: Any, policy: Policy, *, size: int = 10, key: Any = "k", first: bool = False
) -> Outcome:
    return Outcome(outbox.offer(payload, size, policy, key, first, 0.0))


def rest(outbox: Outbox) -> list[Any]:
    return list(iter(outbox.pop, None))


@pytest.mark.parametrize(
    ("name", "answer", "kept", "dropped"),
    [
        ("wait", Outcome.FULL, [0, 1, 2], 0),
        ("close", Outcome.CLOSING, [0, 1, 2], 1),
        ("drop_new", Outcome.DROPPED, [0, 1, 2], 1),
        ("drop_old", Outcome.QUEUED, [1, 2, 3], 1),
        ("conflate", Outcome.QUEUED, [1, 2, 3], 1),
    ],
)
@pytest.mark.parametrize("bound", [{"max_messages": 3}, {"max_bytes": 30}, {"max_bytes": 39}])
def test_each_policy_at_its_bound(name: str, answer: Outcome, kept: list[int], dropped: int, bound: Any) -> None:
    outbox, policy = Outbox(), Policy(name, **bound)
    assert [offer(outbox, number, policy, key=number) for number in range(3)] == [Outcome.QUEUED] * 3
    assert offer(outbox, 3, policy, key=3) is answer
    assert (outbox.count, outbox.size, outbox.dropped, outbox.dropped_bytes) == (3, 30, dropped, 10 * dropped)
    assert rest(outbox) == kept
    assert (outbox.count, outbox.size) == (0, 0)


def test_conflation_keeps_the_latest_of_each_key_in_its_new_place() -> None:
    outbox, policy = Outbox(), Policy("conflate")
    for key, payload in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1"), ("b", "b2")]:
        assert offer(outbox, payload, policy, key=key) is Outcome.QUEUED
    assert rest(outbox) == ["a2", "c1", "b2"]
    assert outbox.dropped == 2
    # A key that was sent is new again.
    offer(outbox, "a3", policy, key="a")
    assert rest(outbox) == ["a3"]


@pytest.mark.parametrize("name", ["wait", "close", "drop_new"])
def test_what_was_let_in_to_stay_is_not_dropped_for_something_newer(name: str) -> None:
    outbox = Outbox()
    offer(outbox, "stays", Policy(name))
    newest = Policy("drop_old", max_messages=2)
    assert [offer(outbox, number, newest) for number in range(3)] == [Outcome.QUEUED] * 3
    assert rest(outbox) == ["stays", 2]
    offer(outbox, "stays", Policy(name))
    assert offer(outbox, "new", Policy("drop_old", max_messages=1)) is Outcome.DROPPED
    assert rest(outbox) == ["stays"]


def test_nothing_is_dropped_for_a_message_that_does_not_fit_all_the_same() -> None:
    outbox = Outbox()
    outbox.hold("plain", 80, 0.0)
    policy = Policy("drop_old", max_bytes=100)
    assert offer(outbox, "old", policy, size=10) is Outcome.QUEUED
    assert offer(outbox, "big", policy, size=30) is Outcome.DROPPED
    assert rest(outbox) == ["plain", "old"]


def test_plain_sends_keep_their_place_and_pass_every_bound() -> None:
    outbox, policy = Outbox(), Policy("drop_old", max_messages=2)
    offer(outbox, 1, policy)
    outbox.hold("plain", 5, 0.0)
    for number in (2, 3, 4):
        assert offer(outbox, number, policy) is Outcome.QUEUED
    outbox.hold("also", 5, 0.0)
    outbox.hold("more", 5, 0.0)
    assert outbox.count == 4
    assert rest(outbox) == ["plain", 4, "also", "more"]


def test_abandoning_leaves_plain_sends() -> None:
    outbox, policy = Outbox(), Policy("close")
    offer(outbox, 1, policy)
    outbox.hold("plain", 5, 0.0)
    offer(outbox, 2, policy)
    outbox.abandon()
    assert outbox.dropped == 2
    assert rest(outbox) == ["plain"]


def test_the_end() -> None:
    calls: list[str] = []
    outbox = Outbox()
    outbox.watch(lambda: calls.append("first"))
    outbox.watch(lambda: 1 // 0)
    taken_out = lambda: calls.append("never")  # noqa: E731
    outbox.watch(taken_out)
    outbox.unwatch(taken_out)
    outbox.watch(lambda: calls.append("last"))
    offer(outbox, 1, Policy("close"))
    outbox.finish()
    outbox.finish()
    assert calls == ["first", "last"]
    assert (outbox.ended, outbox.count, outbox.size, outbox.pop()) == (True, 0, 0, None)
    assert offer(outbox, 1, Policy("close")) is Outcome.GONE
    outbox.watch(lambda: calls.append("late"))
    assert calls == ["first", "last", "late"]


def test_publishers_that_wait_have_their_turn_in_order() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        outbox, policy = Outbox(), Policy("wait", max_messages=1)
        assert offer(outbox, "a", policy) is Outcome.QUEUED
        one, two = loop.create_future(), loop.create_future()
        outbox.add_waiter(one)
        outbox.add_waiter(two)
        assert outbox.pop() == "a"
        assert (one.done(), two.done()) == (True, False)
        # There is room, but it is another one's turn.
        assert offer(outbox, "b", policy) is Outcome.FULL
        assert offer(outbox, "b", policy, first=True) is Outcome.QUEUED
        outbox.remove_waiter(one)
        # Woken to see for itself, and full again.
        assert two.done()
        assert offer(outbox, "c", policy, first=True) is Outcome.FULL
        again = loop.create_future()
        outbox.replace_first_waiter(again)
        outbox.finish()
        assert again.done()
        assert offer(outbox, "c", policy, first=True) is Outcome.GONE
        outbox.remove_waiter(again)

    asyncio.run(scenario())


def test_the_age_is_that_of_the_oldest_that_still_waits() -> None:
    outbox, policy = Outbox(), Policy("drop_old", max_messages=2)
    assert outbox.since() is None
    for number in range(4):
        outbox.offer(number, 1, policy, None, False, float(number))
    assert outbox.since() == 2.0
    outbox.pop()
    assert outbox.since() == 3.0


operations = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.integers(1, 40), st.sampled_from("abc")),
    st.tuples(st.just("plain"), st.integers(0, 40)),
    st.tuples(st.just("pop")),
    st.tuples(st.just("abandon")),
)


@given(st.lists(operations, max_size=120), st.integers(1, 6), st.integers(40, 120))
def test_any_sequence_against_a_plain_list(steps: list[tuple[Any, ...]], messages: int, size_bound: int) -> None:
    """The same in a few slow lines."""
    outbox = Outbox()
    policies = {name: Policy(name, max_messages=messages, max_bytes=size_bound) for name in NAMES}
    model: list[tuple[int, int, str, str]] = []  # number, size, policy, key
    dropped = 0
    for number, step in enumerate(steps):
        if step[0] == "pop":
            assert outbox.pop() == (model.pop(0)[0] if model else None)
        elif step[0] == "abandon":
            outbox.abandon()
            dropped += sum(entry[2] != "plain" for entry in model)
            model = [entry for entry in model if entry[2] == "plain"]
        elif step[0] == "plain":
            outbox.hold(number, step[1], 0.0)
            model.append((number, step[1], "plain", ""))
        else:
            name, size, key = step
            answer = offer(outbox, number, policies[name], size=size, key=key)
            if name == "conflate":
                older = [entry for entry in model if entry[2] == "conflate" and entry[3] == key]
                model = [entry for entry in model if entry not in older]
                dropped += len(older)
            loose = [e for e in model if e[2] in ("drop_old", "conflate")] if name in ("drop_old", "conflate") else []
            fixed = [entry for entry in model if entry not in loose]

            def fits(entries: list[Any], size: int = size) -> bool:
                return len(entries) < messages and sum(entry[1] for entry in entries) + size <= size_bound

            if not fits(fixed):
                assert answer is {"wait": Outcome.FULL, "close": Outcome.CLOSING}.get(name, Outcome.DROPPED)
                dropped += name != "wait"
            else:
                assert answer is Outcome.QUEUED
                while not fits(model):
                    model.remove(loose.pop(0))
                    dropped += 1
                model.append((number, size, name, key))
        assert (outbox.count, outbox.size) == (len(model), sum(entry[1] for entry in model))
        assert outbox.dropped == dropped
    assert rest(outbox) == [entry[0] for entry in model]


@pytest.mark.parametrize("name", ["drop_old", "conflate"])
def test_a_stalled_socket_costs_no_memory_for_what_was_dropped(name: str) -> None:
    outbox, policy = Outbox(), Policy(name, max_messages=4)
    outbox.hold("first", 1, 0.0)
    payloads = [object() for _ in range(5000)]
    for number, payload in enumerate(payloads):
        offer(outbox, payload, policy, key=number % 7)
    del payload
    # Whether a name on the stack counts differs between versions of Python.
    listed = next(sys.getrefcount(payload) for payload in [object()])
    assert sum(sys.getrefcount(payload) > listed for payload in payloads) == 3
    assert rest(outbox) == ["first", *payloads[-3:]]


@pytest.mark.parametrize("name", ["drop_old", "conflate"])
def test_what_was_dropped_leaves_no_entry_either(name: str) -> None:
    """Emptied entries among those that wait are swept out, however long the socket stalls."""
    outbox, policy = Outbox(), Policy(name, max_messages=2)

    def stall(count: int) -> None:
        for number in range(count):
            offer(outbox, b"x", policy, key=number % 2)

    stall(1000)
    before = sys.getallocatedblocks()
    stall(10000)
    assert sys.getallocatedblocks() - before < 500


def test_policies_say_what_they_are_and_refuse_what_makes_no_sense() -> None:
    assert repr(as_policy("close")) == "Policy('close', max_messages=1024, max_bytes=1048576)"
    assert repr(Policy("wait", deadline=1.5)) == "Policy('wait', max_messages=1024, max_bytes=1048576, deadline=1.5)"
    mine = Policy("drop_old", max_messages=2)
    assert as_policy(mine) is mine
    assert as_policy("close") is as_policy("close")
    with pytest.raises(ValueError, match="'drop' is no policy; there are: wait, close, drop_new, drop_old, conflate"):
        as_policy("drop")
    with pytest.raises(TypeError, match="a policy is a name or a Policy, not int"):
        as_policy(1)  # type: ignore[arg-type]
    for name in ("max_messages", "max_bytes"):
        for bound in (0, -1, 10**30):
            with pytest.raises(ValueError, match=f"{name} must be from 1 to {sys.maxsize}, not {bound}"):
                Policy("close", **{name: bound})
        with pytest.raises(TypeError, match=f"{name} is an int, not str"):
            Policy("close", **{name: "5"})
    with pytest.raises(TypeError, match="deadline is a number of seconds, not str"):
        Policy("wait", deadline="5")  # type: ignore[arg-type]
    for deadline in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="deadline must be a positive number of seconds"):
            Policy("wait", deadline=deadline)
