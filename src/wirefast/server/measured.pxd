# A WebSocket that counts.

from libc.stdint cimport uint64_t

from wirefast.metrics.counters cimport Counter
from wirefast.server.lazy_scope cimport LazyScope
from wirefast.server.protocol cimport WebSocketProtocol


# What the sockets of one route have carried that have ended.
cdef class RouteTotals:
    cdef str route
    cdef Counter messages_in
    cdef Counter messages_out
    cdef Counter bytes_in
    cdef Counter bytes_out
    # Of the open sockets, while they are read: how many there are, and what they have carried.
    cdef uint64_t read_open
    cdef uint64_t read[4]


cdef class MeasuredWebSocketProtocol(WebSocketProtocol):
    # What this socket carried; folded into the totals of its route when it ends, and added to them at a scrape.
    cdef uint64_t messages_in
    cdef uint64_t messages_out
    cdef uint64_t bytes_in
    cdef uint64_t bytes_out
    # loop.time() of the accept; 0 before, and again once the end is counted.
    cdef double opened_at
    # The scope, for what is said of the socket; the application holds it as long.
    cdef LazyScope about
    cdef RouteTotals totals

    cdef int count_end(self) except -1
    cdef str client(self)


cdef class IdentifiedWebSocketProtocol(MeasuredWebSocketProtocol):
    pass
