# Messages out, frames to the transport: the writing half of one connection, and what is known of its transport.

from libc.stddef cimport size_t

from wirefast.server.deflate cimport Deflate
from wirefast.server.frames cimport FrameStream
from wirefast.server.settings cimport Settings
from wirefast.server.sockets.transport cimport SocketTransport


# Where a connection is, from its first byte to its last (RFC 6455, section 7.1). A state is never left for one above
# it. closing.py has each event that leads from one to another.
cpdef enum WireState:
    # The handshake is not answered: bytes behind its head wait, nothing else can be sent than an answer.
    CONNECTING = 0
    # Messages go both ways. A fault of the peer's that came behind unread messages waits in `failing`: the application
    # may answer what came before, then the connection fails.
    OPEN = 1
    # Our close frame is queued or sent; the peer's is awaited, for `close_timeout`. What the peer sends until then is
    # read and thrown away.
    CLOSING = 2
    # Nothing follows on the wire but what is unsent: the handshake was refused, the peer's close frame was answered, or
    # the connection failed. After a failure the transport lingers, so that the peer can read why.
    CLOSED = 3
    # The transport is gone, or a call of it raised. Nothing is written any more.
    LOST = 4


cdef bytes make_frame(unsigned opcode, unsigned rsv, const char* data, size_t size)


cdef class Outgoing(FrameStream):
    # The same transport twice where it is one of ours, which takes frames as they are; else `plain` is None.
    cdef readonly object transport
    cdef SocketTransport plain
    cdef Settings settings
    cdef readonly WireState state
    # The application has closed; and a failure that waits until the application has answered what came before the
    # malformed bytes.
    cdef bint app_closed
    cdef tuple failing
    # Inside data_received, which flushes when it is done.
    cdef bint in_read

    # Writing. Frames that leave with the next flush. While the transport's buffer is over its high-water mark, data
    # frames wait in the outbox instead, and only control frames here. A pong that meets a full buffer waits alone: the latest answers them all.
    cdef list out
    cdef size_t out_size
    cdef bint write_paused
    cdef bytes late_pong
    cdef list drainers
    cdef unsigned sends
    # Seconds that a send may wait for the peer to read, then the connection fails; 0: for ever. Here, where it costs no memory.
    cdef float send_timeout
    cdef Deflate deflate
    # Unsent bytes that a keepalive looks at again; SIZE_MAX once the transport has taken them all.
    cdef size_t stalled

    # Write, or queue for this turn's flush.
    cdef int queue(self, bytes frame) except -1
    cdef int queue_data(self, bytes frame) except -1
    # Give the transport what waits in the outbox, as far as it takes it; or move all of that to `out`.
    cdef int empty_outbox(self) except -1
    cdef int commit_outbox(self) except -1
    cdef int flush_all(self) except -1
    cdef bint write(self, list frames) except -1
    # End a connection whose senders queue faster than its peer reads: 1008, one log line, one count.
    cdef int overflow(self) except -1
    cdef size_t unsent(self) except? 0
    # Let the waiting senders go on, or fail.
    cdef int release_drainers(self) except -1
    # Raise what a message of this type gets in a state other than OPEN.
    cdef int not_open(self, str message_type) except -1
    cdef object gone(self)

    # The transport, where it may raise: who is at its other end, for the log; whether it is closing or lost; ending
    # it at once; and what becomes of a connection whose transport raised.
    cdef str peer(self)
    cdef bint is_gone(self) except -1
    cdef int abort(self) except -1
    cdef int broken(self, object exc) except -1

    # Holes for the subclass: the connection is broken, and ends with a close frame; the transport is gone.
    cdef int fail(self, int code, str reason) except -1
    cdef int lost(self) except -1
