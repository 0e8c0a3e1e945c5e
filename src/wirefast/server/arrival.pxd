# A connection from its acceptance to its first bytes, and who says what it becomes.

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
    # The two protocols' classes as they were last, and whether an upgrade needs nothing of the first.
    cdef object http
    cdef object ws
    cdef bint reads_first

    # Look at the classes again, which a drain changes.
    cdef int look(self) except -1
    cdef object make_http(self)


cdef class Arrival(Flushable):
    cdef object __weakref__
    cdef Reception home
    cdef readonly SocketTransport transport
    # When the head of the first request has to be there.
    cdef double ends

    # It is an upgrade that came whole, with `rest` behind it.
    cdef int upgrade(self, Head head, bytes rest) except -1
    # It is anything else: `found` is a Head, a Refused, or None for the beginning of a head.
    cdef int hand_over(self, HeadReader reader, object found, bytes rest) except -1
    # Neither the server nor the reactor knows it any more.
    cdef int leave(self) except -1
