# The writing half of one connection: messages become frames, which the transport gets; and the transport's state.

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from wirefast._core.channel cimport EventKind
from wirefast.server.deflate cimport Deflate
from wirefast.server.frames cimport FrameStream
from wirefast.server.settings cimport Settings
from wirefast.server.sockets.transport cimport SocketTransport


# The states of a connection, from its first byte to its last (RFC 6455, section 7.1). A connection never goes back to an
# earlier state. closing.py has each event that leads from one state to another.
cpdef enum WireState:
    # The handshake is not answered. Bytes behind its head wait. Only the answer can be sent.
    CONNECTING = 0
    # Messages go both ways. If the peer breaks the protocol behind unread messages, the error waits in `failing`: the
    # application may answer these messages, then the connection fails.
    OPEN = 1
    # Our close frame is queued or sent. The server waits for the peer's close frame, at most `close_timeout`, and throws
    # away the data that the peer sends before it.
    CLOSING = 2
    # Only bytes that are already queued are still sent: the handshake was refused, the peer's close frame was answered,
    # or the connection failed. After a failure the transport stays open for a while, so that the peer can read the reason.
    CLOSED = 3
    # The transport is gone, or a call of it raised. Nothing is written any more.
    LOST = 4


cdef enum:
    # The units of Outgoing.taken_at in a second.
    TAKEN_UNITS = 10


cdef bytes make_frame(unsigned opcode, unsigned rsv, const char* data, size_t size)


cdef class Outgoing(FrameStream):
    # The transport. `plain` is the same object if it is a SocketTransport, which takes a list of frames; else None.
    cdef readonly object transport
    cdef SocketTransport plain
    cdef Settings settings
    cdef readonly WireState state
    # Whether the application has closed. The close code and reason of a failure that waits until the application has
    # answered the messages before the malformed bytes.
    cdef bint app_closed
    cdef tuple failing
    # Whether data_received runs now. It flushes at its end.
    cdef bint in_read
    # Whether the application serves this connection. The field fills a gap between others.
    cdef bint app_runs

    # The frames of the next flush. While the transport's buffer is over its high-water mark (`write_paused`), only control
    # frames are here: data frames wait in the outbox, and the latest pong in `late_pong`, since it answers all pings.
    cdef list out
    cdef size_t out_size
    cdef bint write_paused
    # Until when the peer is known to have taken enough for sends to go on. The field fills a gap between others.
    cdef uint32_t taken_at
    cdef bytes late_pong
    cdef list drainers
    cdef unsigned sends
    # Seconds that a send may wait for the peer to read before the connection fails; 0: no limit. The field fills a gap
    # between others, so it costs no memory.
    cdef float send_timeout
    cdef Deflate deflate
    # The unsent bytes that the last keepalive saw; SIZE_MAX once the transport has sent them all.
    cdef size_t stalled

    # Write, or queue for this turn's flush.
    cdef int queue(self, bytes frame) except -1
    cdef int queue_data(self, bytes frame) except -1
    # Queue a small frame behind the frames that this turn has queued already; make the row of such frames an object.
    cdef int queue_in_row(self, EventKind kind, const char* data, size_t size) except -1
    cdef int end_row(self) except -1
    # Give the transport the frames of the outbox until its buffer is full; or move all of them to `out`.
    cdef int empty_outbox(self) except -1
    cdef int commit_outbox(self) except -1
    cdef int flush_all(self) except -1
    cdef bint write(self, list frames) except -1
    # End a connection whose senders queue faster than its peer reads: 1008, one log line, one more in `overflows`.
    cdef int overflow(self) except -1
    cdef size_t unsent(self) except? 0
    # Let the waiting senders go on, or fail.
    cdef int release_drainers(self) except -1
    # Raise the error for a message of this type in another state than OPEN.
    cdef int not_open(self, str message_type) except -1
    cdef object gone(self)

    # Calls of the transport that may raise: its peer's address, for the log; whether it is closing or lost; its end at
    # once. `broken` ends a connection whose transport raised.
    cdef str peer(self)
    # The connection's members of a log line as JSON: its client and, if they are known, its path and its id.
    cdef dict told(self)
    cdef bint is_gone(self) except -1
    cdef int abort(self) except -1
    cdef int broken(self, object exc) except -1

    # For the subclass to define: end a broken connection with a close frame; note that the transport is gone.
    cdef int fail(self, int code, str reason) except -1
    cdef int lost(self) except -1
