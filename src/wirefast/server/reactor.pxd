# What the connections of one event loop share: one callback a turn that runs the tasks which got messages
# and writes what they sent, and one timer.

from wirefast._core.channel cimport Channel
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

    # Write what has been queued in this turn.
    cdef int flush(self) except -1
    # The time asked for with Reactor.schedule has come.
    cdef int due(self) except -1


cdef class Reactor:
    cdef readonly object loop
    cdef object __weakref__

    # The turn. Waiters whose connections got messages, connections with something to write, and whether the
    # loop has been asked for the callback.
    cdef list ready
    cdef list dirty
    cdef bint scheduled
    cdef object call_soon
    cdef object on_turn

    # The wheel: tick number -> set of connections; a tick lasts `grain` seconds of loop.time(). The one timer
    # runs while a bucket is there. No bucket is empty.
    cdef dict buckets
    cdef object timer
    cdef double timer_at
    cdef object on_tick

    # Ask for the waiter's task to be run in the next turn.
    cdef int wake(self, Waiter waiter) except -1
    # Ask for one flush of this connection at the end of the turn.
    cdef int mark(self, Flushable connection) except -1
    cdef int ask(self) except -1
    # Ask for one `due` after `delay` seconds, or up to a tick later; replaces what it asked for before.
    cdef int schedule(self, Flushable connection, double delay) except -1
    cdef int cancel(self, Flushable connection) except -1
    cdef double now(self) except? -1.0
    cdef int arm(self) except -1


# The reactor of this loop; made when the first connection of the loop asks.
cdef Reactor reactor_of(object loop)
