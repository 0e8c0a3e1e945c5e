"""The time of an event loop, which a test can stop and move.

All timers of wirefast are timers of the loop (``call_later``, ``call_at``, ``asyncio.sleep``) and ask ``loop.time()``:
keepalive, the deadlines of heads, bodies and closings, slow members, gaps, brokers. So one clock at the loop moves all
of them, and the timers of the application and its libraries too. It works on asyncio's loop and on uvloop.

The clock runs with real time. `Clock.advance` adds to it; `Clock.freeze` stops it. The test kit measures its own waits
in real time.

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

#: The most timers that one ``advance`` runs. A program with more would set a new timer again and again.
MAX_TIMERS = 100_000
#: After so many turns without a new callback, the work that a timer began is done; and the most turns of a wait.
QUIET_TURNS, MAX_TURNS = 3, 1_000
#: The number of timers, with cancelled ones, from which on the cancelled ones are removed.
SWEEP = 1_000
#: Seconds that a step waits for threads of the application.
THREADS_WITHIN = 2.0


class Timer(asyncio.TimerHandle):
    """A callback of the clock. The loops of asyncio and uvloop do not know it."""

    def cancel(self) -> None:
        """Do not call the callback."""
        asyncio.Handle.cancel(self)


class Clock:
    """The time of one event loop. `clock_of` makes one clock for each loop, and the loop keeps it.

    Args:
        loop: asyncio's loop, uvloop's, or another loop that is written in Python or derived from one of these.

    Raises:
        TypeError: the loop's methods cannot be replaced.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kind: Any = type(loop)
        self._ahead = 0.0
        # The time at which the clock stands; None while it runs.
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
        #: Real seconds that each step of ``advance`` waits, for connections whose bytes go through the kernel.
        self.network = 0.0
        try:
            for name in ("time", "call_later", "call_at"):
                setattr(loop, name, getattr(self, name))
        except AttributeError:
            raise TypeError(f"a {self._kind.__name__} takes no clock: its methods cannot be replaced") from None
        clock_replaced(loop)
        if isinstance(loop, asyncio.BaseEventLoop):
            self._keep_its_own_time(loop)

    # ---- The methods in place of the loop's ----

    def time(self) -> float:
        """Return the time in seconds, in place of ``loop.time()``."""
        return self.real_time() + self._ahead if self._held is None else self._held

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call ``callback(*args)`` in the ``context`` after the ``delay``. TypeError: the delay is None."""
        if delay is None:
            raise TypeError("delay must not be None")
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call ``callback(*args)`` in the ``context`` at the time ``when``. TypeError: the time is None."""
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
        """Let asyncio's loop use the real time for its own timers. The loop calls ``self.time()`` for them.

        The loop gets the same code of its turn, with another name in place of ``time``. uvloop does not call
        ``time()``.
        """
        turn: Any = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]
        names = tuple("_wirefast_real_time" if name == "time" else name for name in turn.__code__.co_names)
        ours = types.FunctionType(turn.__code__.replace(co_names=names), turn.__globals__)
        loop._wirefast_real_time = self.real_time  # type: ignore[attr-defined]
        loop._run_once = types.MethodType(ours, loop)  # type: ignore[attr-defined]

    # ---- The real time, for the kit itself ----

    def real_time(self) -> float:
        """Return the loop's own time, which no test moves."""
        return float(self._kind.time(self._loop))

    def real_call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Return a timer that no test moves. It calls ``callback(*args)`` after the ``delay``."""
        timer: asyncio.TimerHandle
        if isinstance(self._loop, asyncio.BaseEventLoop):
            # The loop's call_later would call self.call_at, which is this clock's.
            timer = self._kind.call_at(self._loop, self.real_time() + delay, callback, *args)
        else:
            timer = self._kind.call_later(self._loop, delay, callback, *args)
        return timer

    async def real_sleep(self, seconds: float) -> None:
        """Sleep for real ``seconds``. This clock has no influence on them."""
        done = self._loop.create_future()
        timer = self.real_call_later(seconds, _finish, done)
        try:
            await done
        finally:
            timer.cancel()

    # ---- For tests ----

    def advance(self, seconds: float) -> asyncio.Future[None]:
        """Move the time forward, and run each timer that becomes due, at its time and in order.

        The work that a timer begins is done before the next timer runs: tasks run, frames are written and answered. The
        move begins at once. ``await`` the result to wait for its end. Peers of the same test wait for it before their
        next step.

        Args:
            seconds: 0 or more.

        Returns:
            An awaitable. It raises RuntimeError if the timers never end.

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
        """Stop the clock. From now on only ``advance`` moves it."""
        self._held = self.time()
        self._frozen = True

    def unfreeze(self) -> None:
        """Let the clock run again, from the time at which it stands."""
        self._frozen = False
        if self._moving is None or self._moving.done():
            self._flow()

    @property
    def pending(self) -> int:
        """The number of timers that wait."""
        return sum(not timer.cancelled() for _, _, timer in self._timers)

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of the current ``advance``."""
        return None if self._moving is None or self._moving.done() else self._moving

    async def arrived(self) -> None:
        """Wait for the end of the current ``advance``."""
        if self._moving is not None and not self._moving.done():
            await asyncio.shield(self._moving)

    async def settle(self) -> None:
        """Let the loop turn until only a timer or the network can bring something new."""
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
        """Let wirefast's time of day and its monotonic clock move with this clock."""
        core_clock.move(lambda: self.time() - self.real_time())

    @staticmethod
    def leave_the_day() -> None:
        """Give wirefast its real clocks back."""
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
        """Do as `settle`, and wait for the bytes that are on the way between real sockets."""
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
        # Timers that these timers make wait for the next turn, as in the loop itself.
        now, number = self.time(), next(self._order)
        while (timer := self._first()) is not None and timer.when() <= now and self._timers[0][1] < number:
            heapq.heappop(self._timers)
            timer._run()

    def _set_alarm(self) -> None:
        """Set the loop's alarm to the time of the first timer, while the clock runs."""
        self._stop_alarm()
        first = self._first()
        if first is not None and self._held is None:
            self._alarm_at = first.when()
            # The delay is rounded up, because uvloop counts milliseconds and rounds to the nearest.
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
    """Return the clock of a loop, by default of the running loop. The first call for a loop makes the clock."""
    loop = loop or asyncio.get_running_loop()
    clock: Clock | None = getattr(loop, "_wirefast_clock", None)
    if clock is None:
        clock = Clock(loop)
        loop._wirefast_clock = clock  # type: ignore[attr-defined]
    return clock
