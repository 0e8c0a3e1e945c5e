# A WebSocket that counts its messages and their bytes.

from libc.stdint cimport uint64_t

from wirefast.metrics.counters cimport Counter
from wirefast.server.lazy_scope cimport LazyScope
from wirefast.server.protocol cimport WebSocketProtocol


# The totals of one route's ended sockets.
cdef class RouteTotals:
    cdef str route
    cdef Counter messages_in
    cdef Counter messages_out
    cdef Counter bytes_in
    cdef Counter bytes_out
    # The sums over the route's open sockets during a reading: their number, and their four counts.
    cdef uint64_t read_open
    cdef uint64_t read[4]


cdef class MeasuredWebSocketProtocol(WebSocketProtocol):
    # The counts of this socket. They are added to the totals of its route when the socket ends, and at each scrape.
    cdef uint64_t messages_in
    cdef uint64_t messages_out
    cdef uint64_t bytes_in
    cdef uint64_t bytes_out
    # loop.time() of the accept; 0 before it, and after the end is counted.
    cdef double opened_at
    # The scope, for texts about the socket, until both the connection and the application have ended. The application
    # refers to it for as long, so it costs no memory.
    cdef LazyScope about
    cdef RouteTotals totals

    cdef int count_end(self) except -1
    cdef str client(self)


cdef class IdentifiedWebSocketProtocol(MeasuredWebSocketProtocol):
    pass
