# The poller watches all sockets of one event loop; the loop watches the poller's descriptor alone.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from wirefast.server.reactor cimport Reactor
from wirefast.server.sockets.csrc cimport poller_event


cdef enum:
    # Sockets that one turn serves, at most POLLER_EVENTS.
    EVENTS_PER_TURN = 64
    # The bytes of the buffer, and the bytes after which a turn reads no more.
    READ_SIZE = 262144
    READ_PER_TURN = 1048576
    # A socket is read while the buffer has room for so many bytes more.
    READ_ROOM = 65536


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
    # Whether the object reads its descriptor empty after each event, or calls `look_again`. Then the system reports what
    # has come once; `on_edge` while it does so.
    cdef bint drains
    cdef bint on_edge
    # Whether this object waits in Poller.late for its flush.
    cdef bint is_late

    cdef int join(self, Poller poller, int fd) except -1
    # Leave the poller. The caller closes the descriptor afterwards.
    cdef int leave(self) except -1
    cdef uint64_t token(self) noexcept
    cdef int watch(self, unsigned wanted) except -1
    # Have the descriptor reported again if it is ready now, and watch it as `drains` says. `again` deals with a failure of
    # the system itself; `look_again` raises OSError.
    cdef int look_again(self) except -1
    cdef int again(self) except -1

    # Read the descriptor, which is ready for the events in `ready`. Returns the result of the system call: the number of
    # bytes, or -errno. -EAGAIN stands for nothing, also if no bytes are wanted.
    cdef Py_ssize_t take(self, unsigned ready, uint8_t* into, size_t room) noexcept
    # The descriptor is ready for the events in `ready`, and `take` returned `got`; the bytes are at `data` for as long as
    # the call lasts. Raises only exceptions that end the process.
    cdef int on_ready(self, unsigned ready, const uint8_t* data, Py_ssize_t got) except -1
    # Write the bytes that were kept for the end of the turn.
    cdef int on_late(self) except -1


cdef class Poller:
    cdef readonly object loop
    cdef Reactor reactor
    cdef object __weakref__
    # The one descriptor that the loop watches; -1 while there is nothing to watch.
    cdef int fd
    cdef object on_readable
    cdef object on_rest
    cdef bint rest_asked

    # The watched objects by place. None if a place is free.
    cdef list places
    cdef list free
    cdef uint32_t uses

    # The events of the last `poller_wait`, and the number of those whose sockets were read (`taken`) and whose bytes are
    # handed out (`served`). The next turn serves the rest: a turn ends its reading after READ_PER_TURN bytes.
    cdef poller_event* events
    cdef int served
    cdef int taken
    cdef int count
    # What `take` returned for each event. The bytes are in the buffer, those of one socket behind those of another. A
    # protocol copies the bytes that it keeps.
    cdef Py_ssize_t got[EVENTS_PER_TURN]
    cdef uint8_t* buffer
    cdef Py_ssize_t filled
    cdef Py_ssize_t emptied
    # Whether `turn` reads now; False once it runs the tasks.
    cdef bint reading

    # Connections that have something to write at the end of the turn, other than through the reactor.
    cdef list late
    cdef bint late_asked
    cdef object on_flush

    cdef int mark_late(self, Watched one) except -1
    cdef int flush_late(self) except -1
    cdef int run_turn(self) except -1
    cdef int serve(self) except -1
    cdef Watched watched(self, uint64_t token)
    cdef Py_ssize_t fill(self) except -1
    cdef int hand_out(self) except -1


# Return the poller of this loop. The first call for a loop makes it.
cdef Poller poller_of(object loop)
