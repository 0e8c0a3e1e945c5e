# distutils: sources = csrc/poller.c
"""One poller for all sockets of an event loop, which the loop watches as a single descriptor.

A turn has three steps. The poller reads and parses up to 64 sockets that are ready. It runs the tasks that got messages.
It sends the bytes that these tasks wrote. Then the loop runs its timers, its other descriptors and its other tasks.
The loop calls the poller again while a socket is still ready, because both watch the level and not the edge. A turn reads
at most about 1 MiB; the next turn begins with the sockets that this one has not reached.

A socket that is closed within a turn gets no event of that turn. A new socket to which the system gave the same number
gets none of its events either: an event names a place in the poller's table and the use of that place.
"""

from weakref import WeakValueDictionary

from cpython.exc cimport PyErr_NoMemory
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from wirefast.server.reactor cimport Reactor, reactor_of
from wirefast.server.sockets.csrc cimport (
    close, poller_change, poller_event, poller_open, poller_wait,
)

import os

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
        failed = poller_change(
            self.poller.fd, self.fd, <uint64_t> self.use << 32 | self.place, self.wanted, wanted
        )
        if failed < 0 and wanted:
            raise_number(failed)
        self.wanted = wanted
        return 0

    cdef Py_ssize_t on_ready(self, unsigned ready) except -1:
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
        if self.reading:
            # A callback runs the loop within the loop.
            return
        self.reading = True
        self.reactor.hold()
        try:
            self.serve()
        finally:
            self.reading = False
            self.reactor.let_go()
            if self.late:
                self.flush_late()

    cdef int serve(self) except -1:
        cdef poller_event* event
        cdef Watched one
        cdef uint32_t place
        cdef Py_ssize_t left = READ_PER_TURN
        if self.at >= self.count:
            self.at = 0
            self.count = poller_wait(self.fd, self.events, EVENTS_PER_TURN)
            if self.count < 0:
                failed, self.count = self.count, 0
                raise_number(failed)
        while self.at < self.count and left > 0:
            event = &self.events[self.at]
            self.at += 1
            place = <uint32_t> event.token
            if place >= <uint32_t> len(self.places):
                continue
            one = self.places[place]
            if one is not None and one.use == <uint32_t> (event.token >> 32):
                left -= one.on_ready(event.ready)
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
