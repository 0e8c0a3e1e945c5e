# One open WebSocket: frames out, flow control both ways, keepalive and the closing handshake.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t

from wirefast._core.channel cimport EventKind
from wirefast.server.deflate cimport Deflate
from wirefast.server.frames cimport FrameStream
from wirefast.server.settings cimport Settings
from wirefast.server.waiter cimport Waiter


cdef enum State:
    CONNECTING = 0     # the handshake is not answered
    OPEN = 1
    CLOSING = 2        # our close frame is sent, the peer's is awaited
    CLOSED = 3         # the handshake is refused, or the peer's close answered, or the connection failed
    LOST = 4           # the transport is gone


cdef class Connection(FrameStream):
    cdef readonly object transport
    cdef Settings settings
    cdef State state

    # The end. `end` is the payload of the CLOSED event, once there is one; `app_closed` says that the
    # application asked for it, `peer_ended` that the peer closed or left, and did nothing wrong before that is
    # known yet. `failing` is a failure that waits until the application has answered what
    # came before the malformed bytes; `complained` says that the peer's fault is in the log.
    cdef tuple end
    cdef bint app_closed
    cdef bint peer_ended
    cdef bint complained
    cdef tuple failing
    # Seconds for the peer to answer our close frame, and the timer that aborts the transport.
    cdef public double close_timeout
    cdef readonly object close_timer

    # Reading. What `wait` gave out: the waiter, and futures when more than one task waits.
    cdef Waiter waiter
    cdef list more_waiters
    cdef bint read_paused
    # What was inflated since the loop last turned, and whether the application has to let it turn.
    cdef size_t inflated
    cdef bint resting
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
    cdef Deflate deflate

    # Keepalive: when the last ping went out, and its payload while the pong is awaited. `stalled` is what
    # was unsent when a ping found the buffer full, or when reading was found to pause while it was; `ping_sent_at`
    # is then when the peer last took some of it.
    cdef readonly double ping_sent_at
    cdef uint8_t ping_id[4]
    cdef bint ping_pending
    cdef size_t stalled

    # Write, or queue for this turn's flush.
    cdef int queue(self, bytes frame) except -1
    cdef int queue_data(self, bytes frame) except -1
    # Give the transport what waits in the outbox, as far as it takes it; or move all of that to `out`.
    cdef int empty_outbox(self) except -1
    cdef int commit_outbox(self) except -1
    cdef int queue_close(self, int code, str reason) except -1
    cdef int flush_all(self) except -1
    cdef bint write(self, list frames) except -1
    # End a connection whose senders queue faster than its peer reads: 1008, one log line, one count.
    cdef int overflow(self) except -1
    cdef size_t unsent(self) except? 0

    # Whether a task waits in `wait`: it has answered all that it was given.
    cdef bint idle(self) noexcept
    cdef int wake(self) except -1
    cdef int pause_reading(self) except -1
    cdef int resume_reading(self) except -1
    cdef object inflate(self, bytes payload, EventKind kind)
    cdef int spoilt(self, int code, str reason) except -1

    # Ends. `start_closing` sends our close frame; `fail` ends a connection that is broken, now, with a
    # close frame; `peer_closed` answers the peer's; `lost` is for a transport that is gone, `broken` for one that
    # raised. The first end counts: what comes after it changes neither code nor reason.
    cdef int start_closing(self, int code, str reason, double timeout) except -1
    cdef int complain(self, int code, str reason) except -1
    cdef str peer(self)
    cdef int fail(self, int code, str reason) except -1
    cdef int peer_closed(self, const uint8_t* data, size_t size) except -1
    cdef int lost(self) except -1
    cdef int broken(self, object exc) except -1
    cdef int abort(self) except -1
    cdef bint is_gone(self) except -1
    cdef int end_failing(self) except -1
    cdef int close_transport(self) except -1
    cdef int arm_close_timer(self, double delay) except -1
    cdef int release_drainers(self) except -1
    # Raise what a message of this type gets in a state other than OPEN.
    cdef int not_open(self, str message_type) except -1

    cdef int start_keepalive(self) except -1
    cdef int send_ping(self) except -1
    cdef int watch_writing(self, double now, double timeout) except -1
    cdef int give_up(self) except -1
