# The reactor, which the connections of one event loop share: one callback in each turn, which runs the tasks that got
# messages and writes the frames that they sent, and one timer.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast._core.channel cimport Channel
from wirefast.server.current_task cimport CurrentTask
from wirefast.server.deflate cimport Deflate
from wirefast.server.frame_row cimport FrameRow
from wirefast.server.waiter cimport Waiter


# The base class of the connections, with everything that the reactor uses.
cdef class Flushable(Channel):
    # The reactor of the connection's loop.
    cdef Reactor reactor
    # Whether the connection waits in Reactor.dirty for its flush.
    cdef bint dirty
    # The wheel's bucket in which the connection waits, or None, and the bucket's tick. A connection waits in one bucket
    # at most.
    cdef set bucket
    cdef object tick
    # Whether a SocketTransport calls `bytes_received` rather than asyncio's data_received.
    cdef bint takes_bytes

    # Write what has been queued in this turn.
    cdef int flush(self) except -1
    # The time that was given to Reactor.schedule has come.
    cdef int due(self) except -1
    # Read bytes of a SocketTransport, which uses the memory of `data` again after the call. Frames that the call queues
    # leave at the end of the turn. Return false if the bytes end in the middle of a head or a frame, so that more will
    # come or has come.
    cdef bint bytes_received(self, const uint8_t* data, size_t size) except -1


cdef class Reactor:
    cdef readonly object loop
    cdef object __weakref__

    # The turn: the waiters whose connections got messages; the connections that have to write; whether the loop will
    # call `on_turn`. While the reactor is `held`, it does not ask the loop, because the holder runs the turn.
    cdef list ready
    cdef list dirty
    cdef bint scheduled
    cdef bint held
    cdef object call_soon
    cdef object on_turn
    cdef CurrentTask current
    cdef FrameRow row

    # The wheel: tick number -> set of connections. A tick lasts GRAIN seconds of loop.time(). The one timer runs while
    # there is a bucket. No bucket is empty.
    cdef dict buckets
    cdef object timer
    cdef double timer_at
    cdef object on_tick

    # The compression of sockets that keep streams between messages, and the timer that looks for idle ones.
    cdef set streams
    cdef object streams_timer
    # The time when memory was last given back to the system, and the timer for the next time.
    cdef double trimmed_at
    cdef object trim_timer

    # Free the streams of a Deflate once they are idle.
    cdef int watch(self, Deflate deflate) except -1
    cdef int unwatch(self, Deflate deflate) except -1

    # Ask for the waiter's task to be run in the next turn.
    cdef int wake(self, Waiter waiter) except -1
    # Ask for one flush of this connection at the end of the turn.
    cdef int mark(self, Flushable connection) except -1
    cdef int ask(self) except -1
    cdef int run_turn(self) except -1
    # The poller calls `hold` before it reads. Tasks that get messages, and connections that have to write, then wait for
    # `let_go`, which runs the turn.
    cdef int hold(self) except -1
    cdef int let_go(self) except -1
    # Ask for one call of `due` after `delay` seconds, or up to a tick later. The call replaces an earlier one.
    cdef int schedule(self, Flushable connection, double delay) except -1
    cdef int cancel(self, Flushable connection) except -1
    cdef double now(self) except? -1.0
    cdef int arm(self) except -1


# Return the reactor of this loop. The first call for a loop makes it.
cdef Reactor reactor_of(object loop)
