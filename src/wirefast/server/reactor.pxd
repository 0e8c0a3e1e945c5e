# What the connections of one event loop share: one callback a turn that runs the tasks which got messages
# and writes what they sent, and one timer.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast._core.channel cimport Channel
from wirefast.server.deflate cimport Deflate
from wirefast.server.waiter cimport Waiter


# Base of the connections: what the reactor has to know of one.
cdef class Flushable(Channel):
    # The reactor of the loop this connection lives on.
    cdef Reactor reactor
    # Waiting in Reactor.dirty for its flush.
    cdef bint dirty
    # The wheel's bucket this connection waits in, or None, and the bucket's tick. It waits in one at most.
    cdef set bucket
    cdef object tick
    # Whether `bytes_received` is for it, rather than asyncio's data_received.
    cdef bint takes_bytes

    # Write what has been queued in this turn.
    cdef int flush(self) except -1
    # The time asked for with Reactor.schedule has come.
    cdef int due(self) except -1
    # Bytes have come through a socket of ours (`server/sockets`), which uses `data` again after the call. What is to be
    # sent waits for the end of the turn.
    cdef int bytes_received(self, const uint8_t* data, size_t size) except -1


cdef class Reactor:
    cdef readonly object loop
    cdef object __weakref__

    # The turn. Waiters whose connections got messages, connections with something to write, and whether the
    # loop has been asked for the callback. The loop is not asked while `held`: the poller, which holds the reactor,
    # runs the turn.
    cdef list ready
    cdef list dirty
    cdef bint scheduled
    cdef bint held
    cdef object call_soon
    cdef object on_turn

    # The wheel: tick number -> set of connections; a tick lasts `grain` seconds of loop.time(). The one timer
    # runs while a bucket is there. No bucket is empty.
    cdef dict buckets
    cdef object timer
    cdef double timer_at
    cdef object on_tick

    # The compression of sockets that keep streams between messages, and the timer that looks for idle ones.
    cdef set streams
    cdef object streams_timer
    # When memory was last given to the system, and the timer that will do it again.
    cdef double trimmed_at
    cdef object trim_timer

    # Give the streams back once they are idle.
    cdef int watch(self, Deflate deflate) except -1
    cdef int unwatch(self, Deflate deflate) except -1

    # Ask for the waiter's task to be run in the next turn.
    cdef int wake(self, Waiter waiter) except -1
    # Ask for one flush of this connection at the end of the turn.
    cdef int mark(self, Flushable connection) except -1
    cdef int ask(self) except -1
    cdef int run_turn(self) except -1
    # The poller of our own sockets begins to read: what is woken and what is to be written waits for `let_go`, which
    # runs the turn.
    cdef int hold(self) except -1
    cdef int let_go(self) except -1
    # Ask for one `due` after `delay` seconds, or up to a tick later; replaces what it asked for before.
    cdef int schedule(self, Flushable connection, double delay) except -1
    cdef int cancel(self, Flushable connection) except -1
    cdef double now(self) except? -1.0
    cdef int arm(self) except -1


# The reactor of this loop; made when the first connection of the loop asks.
cdef Reactor reactor_of(object loop)
