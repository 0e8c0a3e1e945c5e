# One listening socket.

from wirefast.server.sockets.poller cimport Watched


cdef class Listener(Watched):
    cdef object __weakref__
    cdef readonly object socket
    cdef object factory
    # The address of all connections; None where each has its own.
    cdef object own
    # Waits to accept again, after the system had no room.
    cdef object timer
    # It had no room, and has not accepted all that waited since.
    cdef bint is_full

    cdef int rest(self) except -1
