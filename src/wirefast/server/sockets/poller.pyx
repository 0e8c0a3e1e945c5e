# distutils: sources = csrc/poller.c
"""One poller for all sockets of an event loop, which the loop watches as a single descriptor.

A turn: up to 64 sockets that are ready are read and parsed; the tasks that this woke are run; what those wrote is sent.
Then the loop has its timers, its other descriptors and other tasks, and comes back for what is still ready: the poller
is level-triggered, and so is the loop's look at it. A turn also ends its reading after 1 MiB; those that had to wait
are the next turn's first.

A socket that is closed within a turn gets no event of that turn, and neither does another one that the system gave the
same number: an event names a place in the poller's table and the use of that place.
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

# id(loop) -> Poller. A poller holds its loop, so an id is not used again while its entry is there.
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
    """Shared by the sockets of one event loop; made by ``poller_of``."""

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
        """Have the loop watch; nothing where it does.

        Raises:
            OSError: the system has no descriptor for it.
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
        """Have the loop watch no longer: nothing is left to serve."""
        if self.fd >= 0:
            if not self.loop.is_closed():
                self.loop.remove_reader(self.fd)
            close(self.fd)
            self.fd = -1

    def turn(self):
        """Read what is there, run the tasks that it woke, write what they sent."""
        if self.reading:
            # A task that runs the loop within the loop.
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
            place = <uint32_t> (event.token & 0xFFFFFFFF)
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
        """Write what was kept for the end of the turn."""
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
            # None where nothing was raised, which ends the process, or only this turn of it.
            for one in late[at:]:
                one.is_late = False
                self.mark_late(one)
        return 0


cdef Poller poller_of(object loop):
    cdef Poller poller = pollers.get(id(loop))
    if poller is None:
        poller = pollers[id(loop)] = Poller(loop)
    return poller
