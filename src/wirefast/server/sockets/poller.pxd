# The poller watches all sockets of one event loop; the loop watches the poller's descriptor alone.

from libc.stdint cimport uint8_t, uint32_t

from wirefast.server.reactor cimport Reactor
from wirefast.server.sockets.csrc cimport poller_event


cdef enum:
    # Sockets that one turn serves, at most POLLER_EVENTS.
    EVENTS_PER_TURN = 64
    # The most bytes of one read, and the bytes after which a turn reads no more.
    READ_SIZE = 262144
    READ_PER_TURN = 1048576


# A connection or a listening socket that the poller watches. The poller refers to it from `join` to `leave`.
cdef class Watched:
    cdef Poller poller
    # The descriptor; -1 after `leave`.
    cdef int fd
    # The place in the poller's table, and the number of this use of the place. An event names both, and counts only
    # while both are right.
    cdef uint32_t place
    cdef uint32_t use
    # The events that the poller watches for now: POLLER_READ and POLLER_WRITE.
    cdef unsigned wanted
    # Whether this object waits in Poller.late for its flush.
    cdef bint is_late

    cdef int join(self, Poller poller, int fd) except -1
    # Leave the poller. The caller closes the descriptor afterwards.
    cdef int leave(self) except -1
    cdef int watch(self, unsigned wanted) except -1

    # The descriptor is ready for the events in `ready`. Returns the number of bytes that were read. Raises only
    # exceptions that end the process.
    cdef Py_ssize_t on_ready(self, unsigned ready) except -1
    # Write the bytes that were kept for the end of the turn.
    cdef int on_late(self) except -1


cdef class Poller:
    cdef readonly object loop
    cdef Reactor reactor
    cdef object __weakref__
    # The one descriptor that the loop watches; -1 while there is nothing to watch.
    cdef int fd
    cdef object on_readable

    # The watched objects by place. None if a place is free.
    cdef list places
    cdef list free
    cdef uint32_t uses

    # The events of the last `poller_wait`, and the number of those that are served. The next turn serves the rest: a
    # turn ends its reading after READ_PER_TURN bytes.
    cdef poller_event* events
    cdef int at
    cdef int count
    # Whether `turn` reads now; False once it runs the tasks.
    cdef bint reading
    # The bytes of the current read. A protocol copies the bytes that it keeps.
    cdef uint8_t* buffer

    # Connections that have something to write at the end of the turn, other than through the reactor.
    cdef list late
    cdef bint late_asked
    cdef object on_flush

    cdef int mark_late(self, Watched one) except -1
    cdef int flush_late(self) except -1
    cdef int serve(self) except -1


# Return the poller of this loop. The first call for a loop makes it.
cdef Poller poller_of(object loop)
