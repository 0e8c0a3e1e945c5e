"""``Arrival``: a connection of our own sockets before its first bytes.

Most connections begin with an upgrade whose head comes in one piece. Such a connection becomes a WebSocketProtocol, and
no HTTP protocol is made for it. Any other connection becomes an HttpProtocol, which gets the bytes that were read.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast.server.reactor cimport reactor_of

import logging

import uvicorn.logging

from wirefast.server import http
from wirefast.server.http import HttpProtocol
from wirefast.server.protocol import WebSocketProtocol
from wirefast.server.refused import Refused

cdef object logger = logging.getLogger("uvicorn.error")
cdef int TRACE = uvicorn.logging.TRACE_LOG_LEVEL

# An upgrade skips the HTTP protocol only if its class has these methods unchanged from HttpProtocol.
cdef tuple OURS = ("__init__", "connection_made", "data_received", "read", "take", "upgrade")


cdef bint may_begin_without(object kind):
    """Whether an upgrade can do without an HTTP protocol of this class."""
    if not (isinstance(kind, type) and issubclass(kind, HttpProtocol)):
        return False
    return all([getattr(kind, name) is getattr(HttpProtocol, name) for name in OURS])


cdef class Reception:
    """Makes the protocol of each new connection of a server; called without arguments.

    Args:
        config: uvicorn's Config. A connection gets the protocol classes that the Config has when the connection comes.
        server_state: uvicorn's ServerState.
        app_state: the lifespan's state.
        loop: the event loop.
    """

    def __init__(self, config, server_state, dict app_state not None, loop):
        self.config = config
        self.server_state = server_state
        self.app_state = app_state
        self.reactor = reactor_of(loop)
        self.head_timeout = http.HEAD_TIMEOUT

    def __call__(self):
        cdef Arrival made
        self.look()
        if not self.reads_first:
            return self.make_http()
        made = Arrival.__new__(Arrival)
        made.home = self
        made.takes_bytes = True
        return made

    cdef object make_http(self):
        return self.http(
            config=self.config, server_state=self.server_state, app_state=self.app_state, _loop=self.reactor.loop
        )

    cdef int look(self) except -1:
        cdef object config = self.config
        if config.http_protocol_class is not self.http or config.ws_protocol_class is not self.ws:
            self.http = config.http_protocol_class
            self.ws = config.ws_protocol_class
            self.reads_first = (
                may_begin_without(self.http)
                and isinstance(self.ws, type)
                and issubclass(self.ws, WebSocketProtocol)
                # With the log level trace, the HTTP protocol logs each step of a connection.
                and not logger.isEnabledFor(TRACE)
            )
        return 0


cdef class Arrival(Flushable):
    """A connection that has sent nothing. `Reception` makes it; a timer closes it if it sends nothing."""

    def connection_made(self, SocketTransport transport not None):
        """Wait for the first bytes."""
        cdef Reactor reactor = self.home.reactor
        self.transport = transport
        self.home.server_state.connections.add(self)
        self.ends = reactor.now() + self.home.head_timeout
        reactor.schedule(self, self.home.head_timeout)

    def connection_lost(self, exc):
        """Forget the connection."""
        self.leave()

    def eof_received(self):
        """Let the transport close."""
        return None

    def shutdown(self):
        """Close, because uvicorn stops."""
        self.transport.close()

    cdef int due(self) except -1:
        self.transport.close()
        return 0

    cdef bint bytes_received(self, const uint8_t* data, size_t size) except -1:
        cdef HeadReader reader = HeadReader.__new__(HeadReader)
        cdef size_t used = 0
        cdef Head head
        cdef bytes rest = b""
        self.home.look()
        try:
            head = reader.feed(data, size, &used)
        except Refused as exc:
            self.hand_over(reader, exc, rest)
            return False
        if used < size and head is not None:
            rest = PyBytes_FromStringAndSize(<const char*> data + used, <Py_ssize_t> (size - used))
        if head is None or not head.wants_websocket() or head.chunked or head.length > 0 or not self.home.reads_first:
            self.hand_over(reader, head, rest)
            return False
        self.upgrade(head, rest)
        return True

    cdef int upgrade(self, Head head, bytes rest) except -1:
        cdef Reception home = self.home
        cdef object protocol = home.ws(home.config, home.server_state, home.app_state, home.reactor.loop)
        self.leave()
        protocol.connection_made(self.transport)
        self.transport.hand_to(protocol)
        protocol.begin(head, rest)
        return 0

    cdef int hand_over(self, HeadReader reader, object found, bytes rest) except -1:
        cdef Reception home = self.home
        cdef object protocol = home.make_http()
        self.leave()
        self.transport.hand_to(protocol)
        protocol.take_over(self.transport, max(0.0, self.ends - home.reactor.now()), reader, found, rest)
        return 0

    cdef int leave(self) except -1:
        self.home.server_state.connections.discard(self)
        return self.home.reactor.cancel(self)
