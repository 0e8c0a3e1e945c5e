"""The clock of a loop: it flows, stands, and is moved, with every timer in its turn."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from scenes_app import make_app

from wirefast._core import clock as core_clock
from wirefast.security.tickets import Tickets
from wirefast.testing import live
from wirefast.testing.clock import MAX_TIMERS, Clock, clock_of

SOURCE = Path(__file__).parents[2] / "src" / "wirefast"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    loop = request.param()
    yield loop.run_until_complete
    loop.close()


def test_timers_run_at_their_times_and_in_order(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        loop, clock = asyncio.get_running_loop(), clock_of()
        clock.freeze()
        began, ran = loop.time(), []
        for delay in (30, 10, 20, 10):
            loop.call_later(delay, lambda delay=delay: ran.append((delay, loop.time() - began)))
        cancelled = loop.call_later(15, ran.append, "cancelled")
        loop.call_later(12, cancelled.cancel)
        await clock.advance(25)
        assert ran == [(10, 10), (10, 10), (20, 20)]
        await clock.advance(5)
        assert ran[-1] == (30, 30) and loop.time() == began + 30
        assert clock.pending == 0

    run(scene())


def test_what_a_timer_begins_is_done_before_the_next(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        clock, said = clock_of(), []

        async def every_ten() -> None:
            for number in range(360):
                await asyncio.sleep(10)
                await asyncio.sleep(0)
                said.append((number, round(asyncio.get_running_loop().time() - began)))

        began = asyncio.get_running_loop().time()
        task = asyncio.create_task(every_ten())
        await asyncio.sleep(0)
        await clock.advance(3600.5)
        await task
        assert said == [(number, 10 * number + 10) for number in range(360)]

    run(scene())


def test_waits_of_every_kind_go_by_it(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        clock = clock_of()

        async def waits() -> str:
            try:
                await asyncio.wait_for(asyncio.sleep(100), 50)
            except asyncio.TimeoutError:
                pass
            done, _ = await asyncio.wait([asyncio.ensure_future(asyncio.sleep(7))], timeout=3)
            return f"{len(done)} done"

        task = asyncio.create_task(waits())
        await clock.advance(52)
        assert not task.done()
        await clock.advance(2)
        assert await task == "0 done"
        await clock.advance(10)

    run(scene())


def test_it_need_not_be_awaited_and_adds_up(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        clock, ran = clock_of(), []
        asyncio.get_running_loop().call_later(15, ran.append, 1)
        clock.advance(10)
        clock.advance(10)
        await clock.arrived()
        assert ran == [1]

    run(scene())


def test_time_flows_and_real_waits_are_real(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        clock = clock_of()
        loop = asyncio.get_running_loop()
        before, real = loop.time(), time.monotonic()
        await asyncio.sleep(0.02)
        assert loop.time() - before >= 0.019
        waits = asyncio.create_task(clock.real_sleep(0.05))
        await asyncio.sleep(0)
        await clock.advance(1000)
        assert loop.time() - before >= 1000 and not waits.done()
        clock.freeze()
        stands = loop.time()
        await waits
        assert loop.time() == stands and time.monotonic() - real < 15
        clock.unfreeze()
        await asyncio.sleep(0.01)
        assert loop.time() > stands

    run(scene())


def test_timers_that_never_end_are_told(run: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirefast.testing.clock.MAX_TIMERS", 50)
    assert MAX_TIMERS == 100_000

    async def scene() -> None:
        loop, clock = asyncio.get_running_loop(), clock_of()

        def again() -> None:
            nonlocal handle
            handle = loop.call_later(0, again)

        handle = loop.call_later(1, again)
        with pytest.raises(RuntimeError, match="50 timers were run and the time has not come; .*again"):
            await clock.advance(2)
        handle.cancel()

    run(scene())


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_what_is_no_time_is_refused(run: Callable[[Any], Any], seconds: float) -> None:
    async def scene() -> None:
        with pytest.raises(ValueError, match="advance takes seconds from 0 on"):
            clock_of().advance(seconds)

    run(scene())


def test_cancelled_timers_do_not_pile_up(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        clock = clock_of()
        for _ in range(10_000):
            asyncio.get_running_loop().call_later(3600, print).cancel()
        assert len(clock._timers) <= 1001

    run(scene())


def test_a_loop_has_one_clock_and_a_foreign_one_is_told(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        assert clock_of() is clock_of(asyncio.get_running_loop())

    run(scene())

    class Closed:
        __slots__ = ()

    with pytest.raises(TypeError, match="a Closed takes no clock"):
        Clock(Closed())  # type: ignore[arg-type]


async def _of_the_day() -> tuple[float, float]:
    async with live(make_app()) as served:
        before = core_clock.wall_time()
        await served.clock.advance(86400)
        return before, core_clock.wall_time()


def test_the_time_of_day_goes_with_it(run: Callable[[Any], Any]) -> None:
    before, after = run(_of_the_day())
    assert 86399.9 < after - before < 86420
    assert abs(core_clock.wall_time() - time.time()) < 1


def test_tickets_and_idle_connections_end_by_it(run: Callable[[Any], Any]) -> None:
    async def scene() -> None:
        tickets = Tickets(ttl=30)
        async with live(make_app()) as served:
            early, late = [await tickets.issue("ann") for _ in range(2)]
            await served.clock.advance(29)
            assert await tickets.redeem(early) is not None
            await served.clock.advance(2)
            assert await tickets.redeem(late) is None
            assert (await served.http.get("/items/1")).json() == {"number": 1}
            assert len(served._server.protocols()) == 1  # kept alive for the next request
            await served.clock.advance(10)
            assert served._server.protocols() == []

    run(scene())


#: Parts that are no server: the supervisor of workers, what other processes run, the kit.
ELSEWHERE = ("testing/", "cli/", "clients/", "control/")
#: Where the time is asked for and no timer waits for it: how long a turn of the loop, or an operation, took.
MEASURES = {
    "_core/clock.py",
    "messages/measuring.py",
    "rooms/brokers/link.py",
    "server/ending.py",
    "server/serving.py",
    "server/watching.py",
    "telemetry/connections.py",
    "telemetry/recording.py",
}


def test_no_timer_goes_by_another_clock() -> None:
    asks = re.compile(r"\btime\.(?:time|monotonic|sleep)\b|\bperf_counter\b|\btime_ns\b|from time import|\btime\.perf")
    found = set()
    for path in sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.pyx")]):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(ELSEWHERE) and asks.search(path.read_text(encoding="utf-8")):
            found.add(name)
    assert found <= MEASURES, "ask loop.time(), or wirefast._core.clock, which a test can move"
