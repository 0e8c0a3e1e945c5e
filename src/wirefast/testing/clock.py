"""The time of an event loop, which a test can hold and move.

All timers of wirefast are timers of the loop (``call_later``, ``call_at``, ``asyncio.sleep``) and ask ``loop.time()``:
keepalive, the deadlines of heads, bodies and closings, slow members, gaps, brokers. So one clock at the loop covers
them, those of the application and of its libraries too, on asyncio's loop and on uvloop.

Time flows as it does, and `Clock.advance` adds to it; `Clock.freeze` stops it. What the test kit itself waits for is
measured outside this clock.

wirefast only.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import types
from collections.abc import Callable
from contextvars import Context
from typing import Any

from anyio.to_thread import current_default_thread_limiter

from wirefast._core import clock as core_clock
from wirefast._core.deadlines import clock_replaced

__all__ = ["Clock", "clock_of"]

#: Timers that one ``advance`` runs at most; more are a program that asks for a timer in each moment.
MAX_TIMERS = 100_000
#: Turns of the loop without a new callback after which all that a timer has begun is done, and turns at most.
QUIET_TURNS, MAX_TURNS = 3, 1_000
#: Timers, cancelled ones among them, at which the cancelled ones are swept out.
SWEEP = 1_000
#: Seconds that a step waits for threads of the application.
THREADS_WITHIN = 2.0


class Timer(asyncio.TimerHandle):
    """A callback of the clock. The loops of asyncio and uvloop do not have it."""

    def cancel(self) -> None:
        """Do not call it."""
        asyncio.Handle.cancel(self)


class Clock:
    """The time of one event loop; made by `clock_of`, and kept as long as the loop.

    Args:
        loop: asyncio's, uvloop's or another one written in Python or derived from one.

    Raises:
        TypeError: the loop's methods cannot be replaced.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kind: Any = type(loop)
        self._ahead = 0.0
        # The time that stands; None while it flows.
        self._held: float | None = None
        self._frozen = False
        self._timers: list[tuple[float, int, Timer]] = []
        self._sweep_at = SWEEP
        self._order = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._target = 0.0
        self._moving: asyncio.Task[None] | None = None
        self._calls = 0
        #: Real seconds that each step of ``advance`` waits; for connections whose bytes go through the kernel.
        self.network = 0.0
        try:
            for name in ("time", "call_later", "call_at"):
                setattr(loop, name, getattr(self, name))
        except AttributeError:
            raise TypeError(f"a {self._kind.__name__} takes no clock: its methods cannot be replaced") from None
        clock_replaced(loop)
        if isinstance(loop, asyncio.BaseEventLoop):
            self._keep_its_own_time(loop)

    # ---- What stands in place of the loop's methods ----

    def time(self) -> float:
        """Seconds, as ``loop.time()`` gives them."""
        return self.real_time() + self._ahead if self._held is None else self._held

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """``loop.call_later``: after the ``delay``, ``callback(*args)`` in the ``context``. TypeError: no delay."""
        if delay is None:
            raise TypeError("delay must not be None")
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """``loop.call_at``: at the time ``when``, ``callback(*args)`` in the ``context``. TypeError: no time."""
        if when is None:
            raise TypeError("when must not be None")
        timer = Timer(when, callback, args, self._loop, context)
        if len(self._timers) >= self._sweep_at:
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._sweep_at = max(SWEEP, 2 * len(self._timers))
        heapq.heappush(self._timers, (when, next(self._order), timer))
        if when < self._alarm_at:
            self._set_alarm()
        return timer

    def _keep_its_own_time(self, loop: asyncio.BaseEventLoop) -> None:
        """Let asyncio's loop, which asks ``self.time()`` for what is due of its own timers, ask for the real time.

        The loop's turn is the same code with another name in it. uvloop does not ask itself.
        """
        turn: Any = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]
        names = tuple("_wirefast_real_time" if name == "time" else name for name in turn.__code__.co_names)
        ours = types.FunctionType(turn.__code__.replace(co_names=names), turn.__globals__)
        loop._wirefast_real_time = self.real_time  # type: ignore[attr-defined]
        loop._run_once = types.MethodType(ours, loop)  # type: ignore[attr-defined]

    # ---- The real time, for the kit itself ----

    def real_time(self) -> float:
        """Return the loop's own time, which nothing moves."""
        return float(self._kind.time(self._loop))

    def real_call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Return a timer that nothing moves: after the ``delay``, ``callback(*args)``."""
        timer: asyncio.TimerHandle
        if isinstance(self._loop, asyncio.BaseEventLoop):
            # Its call_later would come back to this clock by way of self.call_at.
            timer = self._kind.call_at(self._loop, self.real_time() + delay, callback, *args)
        else:
            timer = self._kind.call_later(self._loop, delay, callback, *args)
        return timer

    async def real_sleep(self, seconds: float) -> None:
        """Sleep for real ``seconds``, whatever this clock shows."""
        done = self._loop.create_future()
        timer = self.real_call_later(seconds, _finish, done)
        try:
            await done
        finally:
            timer.cancel()

    # ---- For tests ----

    def advance(self, seconds: float) -> asyncio.Future[None]:
        """Move the time forward, and run what comes due on the way: each timer at its time, in order.

        After each, all that it has begun is done before the next: tasks run, frames are written and answered. It begins
        at once; ``await`` it to go on when the time has come. What peers of the same test do next waits for it.

        Args:
            seconds: not negative.

        Returns:
            What is awaited. It raises RuntimeError where the timers never end.

        Raises:
            ValueError: ``seconds`` is negative or no finite number.
        """
        if not 0.0 <= seconds < math.inf:
            raise ValueError(f"advance takes seconds from 0 on, not {seconds!r}")
        if self._moving is None or self._moving.done():
            self._target = self.time() + seconds
            self._moving = self._loop.create_task(self._move(), name="wirefast.testing: the clock")
        else:
            self._target += seconds
        return self._moving

    def freeze(self) -> None:
        """Stop the time: from now on only ``advance`` moves it."""
        self._held = self.time()
        self._frozen = True

    def unfreeze(self) -> None:
        """Let the time flow on from where it stands."""
        self._frozen = False
        if self._moving is None or self._moving.done():
            self._flow()

    @property
    def pending(self) -> int:
        """How many timers wait."""
        return sum(not timer.cancelled() for _, _, timer in self._timers)

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of the ``advance`` that is under way."""
        return None if self._moving is None or self._moving.done() else self._moving

    async def arrived(self) -> None:
        """Wait for the ``advance`` that is under way."""
        if self._moving is not None and not self._moving.done():
            await asyncio.shield(self._moving)

    async def settle(self) -> None:
        """Let the loop turn until nothing new happens but what a timer or the network brings."""
        kind, loop = self._kind, self._loop

        def call_soon(callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
            self._calls += 1
            handle: asyncio.Handle = kind.call_soon(loop, callback, *args, context=context)
            return handle

        nested = "call_soon" in loop.__dict__
        if not nested:
            loop.call_soon = call_soon  # type: ignore[method-assign,assignment]
        try:
            quiet = 0
            for _ in range(MAX_TURNS):
                before = self._calls
                await asyncio.sleep(0)
                quiet = quiet + 1 if self._calls - before <= 1 else 0
                if quiet >= QUIET_TURNS:
                    break
            threads = current_default_thread_limiter()
            until = self.real_time() + THREADS_WITHIN
            while threads.borrowed_tokens and self.real_time() < until:
                await self.real_sleep(0.001)
        finally:
            if not nested:
                del loop.__dict__["call_soon"]

    def watch_the_day(self) -> None:
        """Let what wirefast compares with the time of day, and with a monotonic clock, go with this one."""
        core_clock.move(lambda: self.time() - self.real_time())

    @staticmethod
    def leave_the_day() -> None:
        """Give wirefast the real time of day back."""
        core_clock.move(None)

    # ---- Moving ----

    async def _move(self) -> None:
        self._held = self.time()
        self._stop_alarm()
        ran = 0
        try:
            await self.settle_all()
            while True:
                first = self._first()
                if first is None or first.when() > self._target:
                    break
                self._held = max(self._held, first.when())
                self._loop.call_soon(self._run_due)
                await self.settle_all()
                ran += 1
                if ran > MAX_TIMERS:
                    raise RuntimeError(
                        f"{MAX_TIMERS} timers were run and the time has not come; one of the last is {first!r}"
                    )
            self._held = max(self._held, self._target)
            await self.settle_all()
        finally:
            if not self._frozen:
                self._flow()

    async def settle_all(self) -> None:
        """As `settle`, and what is on the way between real sockets has come too."""
        await self.settle()
        if self.network:
            await self.real_sleep(self.network)
            await self.settle()

    def _flow(self) -> None:
        if self._held is not None:
            self._ahead = self._held - self.real_time()
            self._held = None
        self._set_alarm()

    def _first(self) -> Timer | None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        return timers[0][2] if timers else None

    def _run_due(self) -> None:
        # Those that they make wait for the next time, as at a loop of the loop's own.
        now, number = self.time(), next(self._order)
        while (timer := self._first()) is not None and timer.when() <= now and self._timers[0][1] < number:
            heapq.heappop(self._timers)
            timer._run()

    def _set_alarm(self) -> None:
        """Have the loop call at the first timer's time, while time flows."""
        self._stop_alarm()
        first = self._first()
        if first is not None and self._held is None:
            self._alarm_at = first.when()
            # Rounded up: uvloop counts milliseconds, and rounds to the nearest.
            delay = max(0.0, math.ceil((self._alarm_at - self.time()) * 1000.0) / 1000.0)
            self._alarm = self.real_call_later(delay, self._ring)

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_at = None, math.inf

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, math.inf
        try:
            self._run_due()
        finally:
            self._set_alarm()


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def clock_of(loop: asyncio.AbstractEventLoop | None = None) -> Clock:
    """Return the clock of a loop, by default the one that runs; made when it is asked for first, and kept."""
    loop = loop or asyncio.get_running_loop()
    clock: Clock | None = getattr(loop, "_wirefast_clock", None)
    if clock is None:
        clock = Clock(loop)
        loop._wirefast_clock = clock  # type: ignore[attr-defined]
    return clock
