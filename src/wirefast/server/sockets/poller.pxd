# Who watches the sockets of one event loop, and what the loop watches in their place.

from libc.stdint cimport uint8_t, uint32_t

from wirefast.server.reactor cimport Reactor
from wirefast.server.sockets.csrc cimport poller_event


cdef enum:
    # Sockets that one turn serves, at most POLLER_EVENTS.
    EVENTS_PER_TURN = 64
    # The most bytes of one read, and the bytes after which a turn reads no more.
    READ_SIZE = 262144
    READ_PER_TURN = 1048576


# A descriptor of ours: a connection or a listening socket. Open from `join` to `leave`; the poller keeps it for as long.
cdef class Watched:
    cdef Poller poller
    # -1 once it is closed.
    cdef int fd
    # The place in the poller's table, and the number of this use of the place: an event counts only if it has both.
    cdef uint32_t place
    cdef uint32_t use
    # POLLER_READ and POLLER_WRITE, as the poller watches it now.
    cdef unsigned wanted
    # Waiting in Poller.late for its flush.
    cdef bint is_late

    cdef int join(self, Poller poller, int fd) except -1
    # Take it from the poller; the descriptor is the caller's to close, after this.
    cdef int leave(self) except -1
    cdef int watch(self, unsigned wanted) except -1

    # It is ready for what `ready` says. Returns the bytes it read. It raises what ends the process alone.
    cdef Py_ssize_t on_ready(self, unsigned ready) except -1
    # Write what was kept for the end of the turn.
    cdef int on_late(self) except -1


cdef class Poller:
    cdef readonly object loop
    cdef Reactor reactor
    cdef object __weakref__
    # The one descriptor that the loop watches; -1 while there is nothing to watch.
    cdef int fd
    cdef object on_readable

    # Who is watched, by place; None where a place is free.
    cdef list places
    cdef list free
    cdef uint32_t uses

    # What was ready at the last look, and how much of that is served. The rest is for the next turn, where its turn
    # had no time for more.
    cdef poller_event* events
    cdef int at
    cdef int count
    # Inside `turn`, before the tasks run.
    cdef bint reading
    # The bytes of the current read. The protocol that gets them copies those that it keeps.
    cdef uint8_t* buffer

    # Connections that have something to write at the end of the turn, other than through the reactor.
    cdef list late
    cdef bint late_asked
    cdef object on_flush

    cdef int mark_late(self, Watched one) except -1
    cdef int flush_late(self) except -1
    cdef int serve(self) except -1


# The poller of this loop; made when the first socket of the loop asks.
cdef Poller poller_of(object loop)
