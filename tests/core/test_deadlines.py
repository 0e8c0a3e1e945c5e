"""One timer for any number of deadlines, called a few in each turn of the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from wirefast._core import deadlines as module
from wirefast._core.deadlines import Call, Deadlines, deadlines


def test_it_is_compiled() -> None:
    assert not module.__file__.endswith(".py")


class Loop:
    """A loop whose clock is set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timer: tuple[float, Callable[[], None]] | None = None
        self.armed = 0
        self.soon: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, function: Callable[[], None]) -> Any:
        self.timer = (self.now + delay, function)
        self.armed += 1
        return self

    def cancel(self) -> None:
        self.timer = None

    def call_soon(self, function: Callable[[], None]) -> None:
        self.soon.append(function)

    def pass_to(self, when: float) -> None:
        while self.timer is not None and self.timer[0] <= when:
            self.now, function = self.timer
            self.timer = None
            function()
            while self.soon:
                self.soon.pop(0)()
        self.now = when


def wheel_of(loop: Loop, longest: float = 1e6) -> Deadlines:
    return Deadlines(loop, loop.time, longest)  # type: ignore[arg-type]


@pytest.mark.parametrize("away", [0.0, 0.01, 0.05, 1.0, 60.0, 119.0, 121.0, 3000.0, 5000.0, 86400.0, 2_000_000.0])
def test_a_deadline_is_met_within_a_tick(away: float) -> None:
    loop, met = Loop(), []
    Call(lambda: met.append(loop.now)).at(wheel_of(loop), loop.now + away)
    loop.pass_to(1000.0 + away + 0.2)
    assert len(met) == 1 and 1000.0 + away <= met[0] <= 1000.0 + away + 0.11


def test_a_thousand_cost_one_timer() -> None:
    loop = Loop()
    wheel = wheel_of(loop)
    calls = [Call(lambda: None) for _ in range(1000)]
    for number, call in enumerate(calls):
        call.at(wheel, loop.now + 100 + number / 1000)
    assert loop.armed == 1 and len(wheel) == 1000
    loop.pass_to(1200.0)
    assert wheel.fired < 30 and len(wheel) == 0 and wheel.ticks == 0


def test_a_day_of_deadlines_is_a_bounded_number_of_buckets() -> None:
    loop = Loop()
    wheel = wheel_of(loop)
    for number in range(100_000):
        call = Call(lambda: None)
        call.at(wheel, loop.now + 86400 + number)
        call.cancel()
        loop.now += 0.5
    assert len(wheel) == 0 and wheel.ticks < 4000


def test_moving_and_cancelling() -> None:
    loop, met = Loop(), []
    wheel = wheel_of(loop)
    call, other = Call(lambda: met.append(loop.now)), Call(lambda: met.append(-1.0))
    other.cancel()
    call.at(wheel, loop.now + 1)
    other.at(wheel, loop.now + 1)
    call.at(wheel, loop.now + 10)
    other.cancel()
    loop.pass_to(1009.0)
    assert met == []
    loop.pass_to(1011.0)
    assert len(met) == 1 and len(wheel) == 0


def test_those_due_at_once_are_called_in_turns() -> None:
    loop, turns = Loop(), []
    wheel = wheel_of(loop)
    count = 0

    def called() -> None:
        nonlocal count
        count += 1

    for _ in range(200):
        Call(called).at(wheel, loop.now + 1)
    assert loop.timer is not None
    loop.now, function = loop.timer
    function()
    turns.append(count)
    while loop.soon:
        loop.soon.pop(0)()
        turns.append(count)
    assert turns == [64, 128, 192, 200]


def test_one_that_is_cancelled_in_its_turn_is_not_called() -> None:
    loop, met = Loop(), []
    wheel = wheel_of(loop)
    calls: list[Call] = []
    for number in range(100):
        calls.append(Call(lambda number=number: (met.append(number), [call.cancel() for call in calls])))
        calls[-1].at(wheel, loop.now + 1)
    loop.pass_to(1002.0)
    assert len(met) == 1


def test_one_that_fails_is_logged_and_the_others_are_called(caplog: pytest.LogCaptureFixture) -> None:
    loop, met = Loop(), []
    wheel = wheel_of(loop)
    Call(lambda: 1 / 0).at(wheel, loop.now + 1)
    Call(lambda: met.append(1)).at(wheel, loop.now + 1.1)
    loop.pass_to(1002.0)
    assert met == [1] and "A deadline of a WebSocket failed" in caplog.text


def test_a_clock_that_jumps() -> None:
    """A clock of the day is looked at again after some seconds, and a deadline is met once it has passed there."""
    loop, met = Loop(), []
    day = 0.0
    wheel = Deadlines(loop, lambda: loop.now + day, 5.0)  # type: ignore[arg-type]
    Call(lambda: met.append(loop.now)).at(wheel, loop.now + 3600)
    loop.pass_to(1060.0)
    day = 7200.0
    loop.pass_to(1066.0)
    assert len(met) == 1
    Call(lambda: met.append(loop.now)).at(wheel, loop.now + day + 10)
    day = 0.0
    loop.pass_to(1100.0)
    assert len(met) == 1
    loop.pass_to(1066.0 + 7200 + 11)
    assert len(met) == 2


def test_each_loop_has_its_own() -> None:
    async def both() -> tuple[Deadlines, Deadlines]:
        loop = asyncio.get_running_loop()
        assert deadlines(loop) is deadlines(loop) and deadlines(loop, True) is deadlines(loop, True)
        done = asyncio.Event()
        Call(done.set).at(deadlines(loop, True), time.time() + 0.01)
        await asyncio.wait_for(done.wait(), 5)
        return deadlines(loop), deadlines(loop, True)

    first, second = asyncio.run(both()), asyncio.run(both())
    assert len({id(one) for one in (*first, *second)}) == 4
