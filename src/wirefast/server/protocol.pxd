# The asyncio protocol of one WebSocket: its bytes, its ASGI application, and its end.

from wirefast.server.head cimport Head, HeadReader
from wirefast.server.opening cimport Opening


cdef class WebSocketProtocol(Opening):
    cdef object __weakref__
    # Reads the head if no HttpProtocol of ours has read it.
    cdef HeadReader reader
    # The subprotocols that the client offers, until the scope is made.
    cdef list subprotocols

    cdef int read_head(self, bytes data) except -1
    cdef int handshake(self, Head head) except -1
    cdef int start_app(self) except -1
