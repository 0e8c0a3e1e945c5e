# The asyncio protocol of one WebSocket: what comes, the ASGI application, and its end.

from wirefast.server.head cimport Head, HeadReader
from wirefast.server.opening cimport Opening


cdef class WebSocketProtocol(Opening):
    cdef object __weakref__
    # Reads the head, where no HttpProtocol has.
    cdef HeadReader reader
    # The subprotocols that the client offers, until the scope has them.
    cdef list subprotocols

    cdef int read_head(self, bytes data) except -1
    cdef int handshake(self, Head head) except -1
    cdef int start_app(self) except -1
    cdef int app_ended(self, object exc, object result, bint cancelled) except -1
