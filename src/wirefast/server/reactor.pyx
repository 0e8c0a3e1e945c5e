"""One callback a turn and one timer a loop, for all connections of an event loop.

The first connection that gets a message in a turn of the loop asks the loop for one callback. The callback runs all tasks
that got messages in this turn. Then it writes the frames that the tasks sent, with one write for each connection.

Timed work (keepalive) uses a wheel of buckets and one timer, instead of a timer for each socket: ten thousand idle
sockets cost one timer handle. A connection that ends leaves its bucket at once, so the bucket does not keep it alive.
"""

import logging
import os
import threading
from weakref import WeakValueDictionary

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast.server.current_task cimport make_current_task
from wirefast.server.frame_row cimport FrameRow

cdef extern from *:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    static void give_back(void) { (void) malloc_trim(0); }
    static void keep(int block, int free_end)
    {
        (void) mallopt(M_MMAP_THRESHOLD, block);
        (void) mallopt(M_TRIM_THRESHOLD, free_end);
    }
    #else
    static void give_back(void) {}
    static void keep(int block, int free_end) { (void) block; (void) free_end; }
    #endif
    """
    # Give free memory back to the system. glibc does not do so by itself.
    void give_back() nogil
    # Have the C library take blocks up to this size from its heap, and keep so many free bytes at the heap's end.
    void keep(int block, int free_end)

logger = logging.getLogger("uvicorn.error")

# Seconds of a tick of the wheel. A connection may be called so much too late. A long delay is rounded up to a multiple
# of COARSE ticks, so that ten thousand sockets do not wake the process in every tick.
cdef double GRAIN = 0.05
cdef long long COARSE = 10
# Seconds without a compressed message after which a socket's memory for compression is freed. It may take twice as long.
cdef double STREAM_IDLE = 10.0
# The sockets whose memory is freed in one turn of the loop. If so many are freed together, the memory goes back to the
# system.
cdef Py_ssize_t RELEASED_PER_TURN = 64
# The largest block that the C library takes from its heap, and the free bytes that it keeps at the end of the heap. Both
# are the most that it comes to by itself.
cdef int KEPT_BLOCK = 33554432
cdef int KEPT_FREE = 67108864
# The least seconds between two times that memory goes back to the system, because other threads cannot get memory then.
cdef double TRIM_EVERY = 60.0

# id(loop) -> Reactor. A reactor refers to its loop, so no other loop has this id while the entry is there.
cdef object reactors = WeakValueDictionary()
cdef Reactor latest = None


def raise_error(exc):
    raise exc


cdef class Flushable(Channel):
    cdef int flush(self) except -1:
        raise NotImplementedError

    cdef int due(self) except -1:
        raise NotImplementedError

    cdef bint bytes_received(self, const uint8_t* data, size_t size) except -1:
        raise NotImplementedError


cdef class Reactor:
    """The reactor that all connections of one event loop share; ``reactor_of`` makes it."""

    def __cinit__(self, loop):
        self.loop = loop
        self.ready = []
        self.dirty = []
        self.call_soon = loop.call_soon
        self.on_turn = self.turn
        self.current = make_current_task(loop)
        self.row = FrameRow.__new__(FrameRow)
        self.buckets = {}
        self.timer = None
        self.on_tick = self.tick
        self.streams = set()
        self.streams_timer = None
        self.trimmed_at = -TRIM_EVERY

    cdef int wake(self, Waiter waiter) except -1:
        self.ready.append(waiter)
        return self.ask()

    cdef int mark(self, Flushable connection) except -1:
        if not connection.dirty:
            connection.dirty = True
            self.dirty.append(connection)
            self.ask()
        return 0

    cdef int ask(self) except -1:
        if not self.scheduled and not self.held:
            self.scheduled = True
            self.call_soon(self.on_turn)
        return 0

    cdef int hold(self) except -1:
        self.held = True
        return 0

    cdef int let_go(self) except -1:
        self.held = False
        return self.run_turn()

    def turn(self):
        """Run the tasks that got messages, then flush the connections that have to write."""
        self.scheduled = False
        self.run_turn()

    cdef int run_turn(self) except -1:
        cdef Waiter waiter
        cdef Flushable connection
        cdef list ready = self.ready
        cdef list dirty
        if ready:
            self.ready = []
            # The frames of these tasks are written below, so they need no other turn.
            self.held = True
            for waiter in ready:
                try:
                    waiter.run(self.current)
                except BaseException as exc:
                    # The loop raises the exception, as if it had run the task. The other tasks run now.
                    self.call_soon(raise_error, exc)
            try:
                self.current.leave()
            except BaseException as exc:
                self.call_soon(raise_error, exc)
            self.held = False
            if self.ready:
                # The tasks that have just run woke these, and `held` kept them from asking for another turn.
                self.ask()
        dirty = self.dirty
        if dirty:
            self.dirty = []
            for connection in dirty:
                connection.dirty = False
                try:
                    connection.flush()
                except Exception:
                    logger.exception("Writing to a WebSocket failed")
                except BaseException as exc:
                    self.call_soon(raise_error, exc)
        return 0

    cdef double now(self) except? -1.0:
        # The method is not kept: a test may give the loop another clock.
        return self.loop.time()

    cdef int schedule(self, Flushable connection, double delay) except -1:
        cdef long long when = <long long> ((self.now() + delay) / GRAIN) + 1
        if delay > GRAIN * COARSE * 4:
            when += COARSE - when % COARSE
        cdef object tick = when
        cdef set bucket
        self.cancel(connection)
        bucket = self.buckets.get(tick)
        if bucket is None:
            bucket = self.buckets[tick] = set()
        bucket.add(connection)
        connection.bucket = bucket
        connection.tick = tick
        if self.timer is None or tick * GRAIN < self.timer_at:
            self.arm()
        return 0

    cdef int cancel(self, Flushable connection) except -1:
        cdef set bucket = connection.bucket
        if bucket is not None:
            bucket.discard(connection)
            connection.bucket = None
            # An empty bucket is removed at once. With a long interval it would stay long after its connections. The
            # bucket that `tick` empties is no longer in the wheel.
            if not bucket and self.buckets.get(connection.tick) is bucket:
                del self.buckets[connection.tick]
        return 0

    cdef int arm(self) except -1:
        """Set the timer to the time of the first bucket."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.buckets:
            self.timer_at = min(self.buckets) * GRAIN
            self.timer = self.loop.call_at(self.timer_at, self.on_tick)
        return 0

    def tick(self):
        cdef Flushable connection
        cdef long long current = <long long> (self.now() / GRAIN + 0.001)
        cdef set due
        self.timer = None
        for tick in sorted([tick for tick in self.buckets if tick <= current]):
            # A call may cancel or delay connections of this bucket, or empty a later bucket. So connections are taken one
            # at a time.
            due = self.buckets.pop(tick, None)
            while due:
                connection = due.pop()
                connection.bucket = None
                try:
                    connection.due()
                except Exception:
                    logger.exception("Keepalive of a WebSocket failed")
        if self.timer is None:
            self.arm()


    # ---- Compression ----

    cdef int watch(self, Deflate deflate) except -1:
        if deflate.keeps_streams():
            deflate.watched = True
            self.streams.add(deflate)
            if self.streams_timer is None:
                self.streams_timer = self.loop.call_later(STREAM_IDLE, self.look)
        return 0

    cdef int unwatch(self, Deflate deflate) except -1:
        deflate.watched = False
        self.streams.discard(deflate)
        return 0

    def look(self):
        """Find the streams that no message has used since the last look, and free them."""
        cdef Deflate deflate
        cdef list idle = []
        self.streams_timer = None
        for deflate in self.streams:
            if deflate.used:
                deflate.used = False
            else:
                idle.append(deflate)
        if idle:
            self.release(idle, len(idle))
        if self.streams:
            self.streams_timer = self.loop.call_later(STREAM_IDLE, self.look)

    def release(self, list idle not None, Py_ssize_t total):
        """Free some streams in this turn and the others in the next ones, because each takes microseconds."""
        cdef Deflate deflate
        for _ in range(min(RELEASED_PER_TURN, len(idle))):
            deflate = idle.pop()
            if not deflate.used:
                deflate.release()
                self.unwatch(deflate)
        if idle:
            self.call_soon(self.release, idle, total)
        elif total >= RELEASED_PER_TURN and self.trim_timer is None:
            self.trim_timer = self.loop.call_at(max(self.trimmed_at + TRIM_EVERY, self.now()), self.trim)

    def trim(self):
        """Give free memory back to the system, because the C library keeps it."""
        self.trim_timer = None
        self.trimmed_at = self.now()
        # The search of all memory takes milliseconds, so a thread does it and the loop does not wait.
        threading.Thread(target=trim_memory, name="wirefast-trim", daemon=True).start()


def trim_memory():
    """Give free memory back to the system. Other threads run meanwhile."""
    with nogil:
        give_back()


def keep_memory():
    """Have the C library keep the memory of large messages for the next ones, up to 64 MiB.

    glibc gives some MiB back as soon as they are free. So each message of a MiB would fault in its pages again, which
    takes longer than to read, decode and send it. Settings of glibc in the environment stay in force.
    """
    if not any([name.startswith("MALLOC_") for name in os.environ]) and "GLIBC_TUNABLES" not in os.environ:
        keep(KEPT_BLOCK, KEPT_FREE)


cdef Reactor reactor_of(object loop):
    global latest
    if latest is not None and latest.loop is loop:
        return latest
    cdef Reactor reactor = reactors.get(id(loop))
    if reactor is None:
        reactor = reactors[id(loop)] = Reactor(loop)
    latest = reactor
    return reactor
