# distutils: sources = csrc/poller.c
"""One poller for all sockets of an event loop, which the loop watches as a single descriptor.

A turn has four steps. The poller reads up to 64 sockets that are ready. It gives the bytes to their protocols. It runs
the tasks that got messages. It sends the bytes that these tasks wrote. Then the loop runs its timers, its other
descriptors and its other tasks. A turn reads at most about 1 MiB; the next turn begins with the sockets that this one has
not reached.

The loop watches the poller's level: it calls the poller again while a socket is ready. The poller watches the level of a
socket too, but of a socket that is read empty (`Watched.drains`) the edge: it gets one event for the bytes that have come.

A socket that is closed within a turn gets no event of that turn. A new socket to which the system gave the same number
gets none of its events either: an event names a place in the poller's table and the use of that place.
"""

from weakref import WeakValueDictionary

from cpython.exc cimport PyErr_NoMemory
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from wirefast.server.reactor cimport Reactor, reactor_of
from wirefast.server.sockets.csrc cimport (
    POLLER_EDGE, POLLER_MORE, POLLER_READ, close, poller_again, poller_change, poller_event, poller_open, poller_wait,
)

import os

cdef extern from "Python.h":
    Py_ssize_t PyList_GET_SIZE(list values) noexcept
    PyObject* PyList_GET_ITEM(list values, Py_ssize_t place) noexcept  # a borrowed reference

# id(loop) -> Poller. A poller refers to its loop, so no other loop has this id while the entry is there.
cdef object pollers = WeakValueDictionary()


cdef int raise_number(int number) except -1:
    raise OSError(-number, os.strerror(-number))


cdef class Watched:
    def __cinit__(self):
        self.fd = -1

    cdef int join(self, Poller poller, int fd) except -1:
        if poller.free:
            self.place = poller.free.pop()
            poller.places[self.place] = self
        else:
            self.place = <uint32_t> len(poller.places)
            poller.places.append(self)
        poller.uses += 1
        self.use = poller.uses
        self.poller = poller
        self.fd = fd
        return 0

    cdef int leave(self) except -1:
        cdef Poller poller = self.poller
        if self.fd < 0:
            return 0
        self.watch(0)
        self.fd = -1
        poller.places[self.place] = None
        if len(poller.free) + 1 == len(poller.places):
            poller.places.clear()
            poller.free.clear()
            poller.stop()
        else:
            poller.free.append(self.place)
        return 0

    cdef int watch(self, unsigned wanted) except -1:
        cdef int failed
        if wanted == self.wanted:
            return 0
        if wanted:
            self.poller.start()
        cdef bint edge = self.drains and wanted == POLLER_READ
        failed = poller_change(
            self.poller.fd, self.fd, self.token(), self.wanted, wanted | POLLER_EDGE if edge else wanted
        )
        if failed < 0 and wanted:
            raise_number(failed)
        self.wanted = wanted
        self.on_edge = edge
        return 0

    cdef int look_again(self) except -1:
        cdef bint edge = self.drains and self.wanted == POLLER_READ
        cdef int failed
        if self.wanted and (edge or self.on_edge):
            failed = poller_again(
                self.poller.fd, self.fd, self.token(), self.wanted | POLLER_EDGE if edge else self.wanted
            )
            if failed < 0:
                raise_number(failed)
            self.on_edge = edge
        return 0

    cdef int again(self) except -1:
        return self.look_again()

    cdef uint64_t token(self) noexcept:
        """Return the number by which an event names this use of the place."""
        return <uint64_t> self.use << 32 | self.place

    cdef Py_ssize_t take(self, unsigned ready, uint8_t* into, size_t room) noexcept:
        return -EAGAIN

    cdef int on_ready(self, unsigned ready, const uint8_t* data, Py_ssize_t got) except -1:
        raise NotImplementedError

    cdef int on_late(self) except -1:
        raise NotImplementedError


cdef class Poller:
    """The poller that all sockets of one event loop share; ``poller_of`` makes it."""

    def __cinit__(self, loop):
        self.loop = loop
        self.reactor = reactor_of(loop)
        self.fd = -1
        self.on_readable = self.turn
        self.on_rest = self.rest
        self.on_flush = self.flush
        self.places = []
        self.free = []
        self.late = []
        self.buffer = <uint8_t*> PyMem_Malloc(READ_SIZE)
        self.events = <poller_event*> PyMem_Malloc(EVENTS_PER_TURN * sizeof(poller_event))
        if self.buffer is NULL or self.events is NULL:
            PyErr_NoMemory()

    def __dealloc__(self):
        PyMem_Free(self.buffer)
        PyMem_Free(self.events)
        if self.fd >= 0:
            close(self.fd)

    def start(self):
        """Let the loop watch the poller, unless it does so already.

        Raises:
            OSError: the system has no descriptor for the poller.
        """
        if self.fd < 0:
            self.fd = poller_open()
            if self.fd < 0:
                failed, self.fd = self.fd, -1
                raise_number(failed)
            try:
                self.loop.add_reader(self.fd, self.on_readable)
            except BaseException:
                close(self.fd)
                self.fd = -1
                raise

    def stop(self):
        """Take the poller from the loop: no socket is left."""
        if self.fd >= 0:
            if not self.loop.is_closed():
                self.loop.remove_reader(self.fd)
            close(self.fd)
            self.fd = -1

    def turn(self):
        """Read the sockets that are ready, run the tasks that got messages, write what the tasks sent."""
        # While the loop will call `rest`, the sockets that are ready wait for it.
        if not self.rest_asked:
            self.run_turn()

    def rest(self):
        """Serve the sockets that the last turn has not reached."""
        self.rest_asked = False
        if self.fd >= 0:
            self.run_turn()

    cdef int run_turn(self) except -1:
        cdef object failure = None
        if self.reading:
            # A callback runs the loop within the loop.
            return 0
        self.reading = True
        self.reactor.hold()
        try:
            self.serve()
        except BaseException as exc:
            failure = exc
        self.reading = False
        self.reactor.let_go()
        if self.late:
            self.flush_late()
        if self.served < self.count and self.fd >= 0:
            # The poller has reported these sockets, and may not report them again.
            self.rest_asked = True
            self.loop.call_soon(self.on_rest)
        if failure is not None:
            # The exception ends the loop's `run` alone.
            raise failure
        return 0

    cdef int serve(self) except -1:
        cdef Py_ssize_t left = READ_PER_TURN
        # A call that raised has ended an earlier turn in the middle.
        self.hand_out()
        if self.taken >= self.count:
            self.served = self.taken = 0
            self.count = poller_wait(self.fd, self.events, EVENTS_PER_TURN)
            if self.count < 0:
                failed, self.count = self.count, 0
                raise_number(failed)
        # The kernel's code and ours take turns for many sockets together, which is cheaper than for each: docs/architecture.md
        # has the measurement.
        while self.taken < self.count and left > 0:
            left -= self.fill()
            self.hand_out()
        return 0

    cdef Watched watched(self, uint64_t token):
        """Return the object of an event; None if it has left."""
        cdef uint32_t place = <uint32_t> token
        cdef PyObject* one
        if place >= <uint32_t> PyList_GET_SIZE(self.places):
            return None
        one = PyList_GET_ITEM(self.places, place)
        if one is <PyObject*> None or (<Watched> one).use != <uint32_t> (token >> 32):
            return None
        return <Watched> one

    cdef Py_ssize_t fill(self) except -1:
        """Read the next sockets into the buffer, as far as it has room. Return the number of bytes."""
        cdef poller_event* event
        cdef Watched one
        cdef Py_ssize_t got
        self.filled = self.emptied = 0
        while self.taken < self.count and READ_SIZE - self.filled >= READ_ROOM:
            event = &self.events[self.taken]
            one = self.watched(event.token)
            got = -EAGAIN
            if one is not None:
                got = one.take(event.ready, self.buffer + self.filled, <size_t> (READ_SIZE - self.filled))
            self.got[self.taken] = got
            self.taken += 1
            if got > 0:
                self.filled += got
                if self.filled == READ_SIZE:
                    event.ready |= POLLER_MORE
        return self.filled

    cdef int hand_out(self) except -1:
        """Give the bytes of the buffer to the sockets that they are for."""
        cdef poller_event* event
        cdef const uint8_t* data
        cdef Watched one = None
        cdef Py_ssize_t got
        try:
            while self.served < self.taken:
                event = &self.events[self.served]
                got = self.got[self.served]
                data = self.buffer + self.emptied
                self.served += 1
                if got > 0:
                    self.emptied += got
                one = self.watched(event.token)
                if one is not None:
                    one.on_ready(event.ready, data, got)
        except BaseException:
            # The loop may run again. The system reports an edge once, and this one may stand for more bytes or the end.
            if one is not None:
                one.again()
            raise
        return 0

    cdef int mark_late(self, Watched one) except -1:
        if not one.is_late:
            one.is_late = True
            self.late.append(one)
            if not self.late_asked:
                self.late_asked = True
                self.loop.call_soon(self.on_flush)
        return 0

    def flush(self):
        """Write the bytes that were kept for the end of the turn."""
        self.late_asked = False
        self.flush_late()

    cdef int flush_late(self) except -1:
        cdef Watched one
        cdef list late = self.late
        cdef Py_ssize_t at = 0
        self.late = []
        try:
            while at < len(late):
                one = late[at]
                at += 1
                one.is_late = False
                one.on_late()
        finally:
            # Where a call raised, the others wait for another flush. The exception may end the loop's `run` alone.
            for one in late[at:]:
                one.is_late = False
                self.mark_late(one)
        return 0


cdef Poller poller_of(object loop):
    cdef Poller poller = pollers.get(id(loop))
    if poller is None:
        poller = pollers[id(loop)] = Poller(loop)
    return poller
