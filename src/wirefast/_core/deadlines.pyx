"""One timer for all deadlines of a loop and a clock: first messages, idle sockets, lifetimes, expiries.

A deadline waits in a bucket of 50 ms. A deadline far away waits in a wider bucket that begins before the deadline, and
moves to a narrow bucket then, so that a day of deadlines is a bounded number of buckets. Where many deadlines are due
at once, each turn of the loop calls a few of them.
"""

from wirefast._core.instant cimport monotonic

import asyncio
import heapq
import logging
from collections import deque
from weakref import WeakValueDictionary

from wirefast._core import clock

logger = logging.getLogger("wirefast")

cdef enum:
    DEADLINES_PER_TURN = 64
# Seconds of a tick.
cdef double GRAIN = 0.05
# Seconds between two reads of the clock of the day, which an operator may set.
CLOCK_EVERY = 5.0
# The most seconds that the timer of a loop's own clock sleeps.
cdef double LONG = 1e6

# id(loop) -> Deadlines. An entry holds its loop, so no other loop has the same id meanwhile.
cdef object by_loop = WeakValueDictionary()
cdef object by_day = WeakValueDictionary()
cdef object BASE_TIME = asyncio.BaseEventLoop.time
# The deadlines of the loop that asked last.
cdef Deadlines latest = None


cdef class Deadline:
    cdef int due(self) except -1:
        return 0


cdef class Deadlines:
    def __init__(self, loop, clock, double longest):
        self.loop = loop
        self.clock = clock
        self.longest = longest
        self.is_monotonic = clock == getattr(loop, "time", None) and has_own_time(loop)
        self.last_tick = -1
        self.buckets = {}
        self.heap = []
        self.waiting = deque()

    cdef double now(self) except? -1.0:
        """Return the time on the clock."""
        return monotonic() if self.is_monotonic else self.clock()

    cdef int schedule(self, Deadline deadline, double when) except -1:
        """Set the time of a deadline on the clock, in place of an earlier time."""
        return self.schedule_at(deadline, when, self.now())

    cdef int schedule_at(self, Deadline deadline, double when, double now) except -1:
        """As `schedule`, if the current time is known."""
        cdef double away = when - now
        cdef long long tick
        cdef set bucket
        self.cancel(deadline)
        deadline.wheel = self
        deadline.when = when
        if away > 3600.0:      # buckets of 51.2 s and 3.2 s, which begin before the time
            tick = (<long long> (when / GRAIN) >> 10) << 10
        elif away > 120.0:
            tick = (<long long> (when / GRAIN) >> 6) << 6
        else:
            tick = <long long> (when / GRAIN) + 1
        if tick == self.last_tick:
            bucket = self.last_bucket
        else:
            bucket = self.buckets.get(tick)
            if bucket is None:
                bucket = self.buckets[tick] = set()
                heapq.heappush(self.heap, tick)
            self.last_tick, self.last_bucket = tick, bucket
        bucket.add(deadline)
        deadline.bucket = bucket
        if self.timer is None or tick * GRAIN < self.timer_at:
            self.arm()
        return 0

    cdef int cancel(self, Deadline deadline) except -1:
        if deadline.bucket is not None:
            deadline.bucket.discard(deadline)
            deadline.bucket = None
        deadline.ready = False
        return 0

    cdef int arm(self) except -1:
        cdef double delay
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.last_tick, self.last_bucket = -1, None
        while self.heap and not self.buckets[self.heap[0]]:
            del self.buckets[heapq.heappop(self.heap)]
        if self.heap:
            self.timer_at = self.heap[0] * GRAIN
            delay = min(max(self.timer_at - self.now(), 0.0), self.longest)
            self.timer = self.loop.call_later(delay, self.fire)
        return 0

    def fire(self):
        """Take out the deadlines that are due; the callback of the timer."""
        cdef long long now = <long long> (self.now() / GRAIN + 0.001)
        cdef Deadline deadline
        cdef set bucket
        self.fired += 1
        self.timer = None
        self.last_tick, self.last_bucket = -1, None
        while self.heap and self.heap[0] <= now:
            bucket = self.buckets.pop(heapq.heappop(self.heap))
            for deadline in bucket:
                deadline.bucket = None
                deadline.ready = True
                self.waiting.append(deadline)
        self.arm()
        if not self.running:
            self.run()

    def run(self):
        """Call a few of the deadlines that are due; later turns of the loop call the rest."""
        cdef Deadline deadline
        cdef int called = 0
        cdef double now = self.now()
        self.running = True
        while self.waiting and called < DEADLINES_PER_TURN:
            deadline = self.waiting.popleft()
            if not deadline.ready:
                continue
            deadline.ready = False
            if deadline.when > now + 0.001:
                self.schedule(deadline, deadline.when)
                continue
            called += 1
            try:
                deadline.due()
            except Exception:
                logger.exception("A deadline of a WebSocket failed")
        if self.waiting:
            self.loop.call_soon(self.run)
        else:
            self.running = False

    def __len__(self):
        return sum([len(bucket) for bucket in self.buckets.values()]) + len(self.waiting)

    @property
    def ticks(self):
        """The number of buckets."""
        return len(self.buckets)


cdef bint has_own_time(object loop) except -1:
    """Return whether ``loop.time()`` is asyncio's monotonic clock, so that the call can be saved."""
    return getattr(type(loop), "time", None) is BASE_TIME and "time" not in getattr(loop, "__dict__", ())


def clock_replaced(loop):
    """Call ``loop.time()`` from now on, because a test has replaced it."""
    cdef Deadlines found = by_loop.get(id(loop))
    if found is not None:
        found.clock, found.is_monotonic = loop.time, False


def wall_clock():
    """Return the current time in seconds since the epoch, also if a test moves the clock."""
    return clock.wall_time()


cdef Deadlines deadlines_of(object loop, bint of_day):
    global latest
    cdef Deadlines found
    cdef object known
    if not of_day and latest is not None and latest.loop is loop:
        return latest
    known = by_day if of_day else by_loop
    found = known.get(id(loop))
    if found is None:
        found = known[id(loop)] = (
            Deadlines(loop, wall_clock, CLOCK_EVERY) if of_day else Deadlines(loop, loop.time, LONG)
        )
    if not of_day:
        latest = found
    return found


cdef class Call(Deadline):
    """A deadline that calls a function."""
    cdef object function

    def __init__(self, function):
        self.function = function

    cdef int due(self) except -1:
        self.function()
        return 0

    def at(self, Deadlines wheel not None, double when):
        """Set the time, on the clock of the wheel, in place of an earlier time."""
        wheel.schedule(self, when)

    def cancel(self):
        """Cancel the deadline."""
        if self.wheel is not None:
            self.wheel.cancel(self)


def deadlines(loop, of_day=False):
    """Return the deadlines of a loop: on its own clock, or on the clock of the day."""
    return deadlines_of(loop, of_day)
