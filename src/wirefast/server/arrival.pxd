# A connection from its acceptance to its first bytes (`Arrival`), and the factory that makes it (`Reception`).

from libc.stddef cimport size_t

from wirefast.server.head cimport Head, HeadReader
from wirefast.server.reactor cimport Flushable, Reactor
from wirefast.server.sockets.transport cimport SocketTransport


cdef class Reception:
    cdef object config
    cdef object server_state
    cdef dict app_state
    cdef Reactor reactor
    cdef double head_timeout
    # The two protocol classes at the last look, and whether an upgrade can do without the first.
    cdef object http
    cdef object ws
    cdef bint reads_first

    # Look at the classes again, because a drain changes them.
    cdef int look(self) except -1
    cdef object make_http(self)


cdef class Arrival(Flushable):
    cdef object __weakref__
    cdef Reception home
    cdef readonly SocketTransport transport
    # The time at which the head of the first request has to be there.
    cdef double ends

    # Become a WebSocketProtocol, for a whole upgrade with the bytes `rest` behind it.
    cdef int upgrade(self, Head head, bytes rest) except -1
    # Become an HttpProtocol, for anything else. `found` is a Head, a Refused, or None for the beginning of a head.
    cdef int hand_over(self, HeadReader reader, object found, bytes rest) except -1
    # Leave the server's set of connections and the reactor's wheel.
    cdef int leave(self) except -1
