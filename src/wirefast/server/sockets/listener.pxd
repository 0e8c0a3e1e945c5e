# One listening socket.

from wirefast.server.sockets.poller cimport Watched


cdef class Listener(Watched):
    cdef object __weakref__
    cdef readonly object socket
    cdef object factory
    # The server's address of all connections. None if each connection has its own.
    cdef object own
    # The timer that ends a rest. None while the listener does not rest.
    cdef object timer
    # Whether the system had no room, and connections that waited then still wait.
    cdef bint is_full

    cdef int rest(self) except -1
