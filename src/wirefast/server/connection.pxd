# One open WebSocket: its events, keepalive and the closing handshake.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t

from wirefast._core.channel cimport EventKind
from wirefast.server.outgoing cimport Outgoing
from wirefast.server.waiter cimport Waiter


cdef class Connection(Outgoing):
    # The end. `end` is the payload of the CLOSED event, None before it. `peer_ended`: the peer closed or left, without
    # an earlier fault. `fault_logged`: the log has the peer's fault.
    cdef tuple end
    cdef bint peer_ended
    cdef bint fault_logged
    # Seconds for the peer to answer our close frame, and the timer that aborts the transport.
    cdef public double close_timeout
    cdef readonly object close_timer

    # Reading. The results of `wait`: the waiter, and futures when more than one task waits.
    cdef Waiter waiter
    cdef list more_waiters
    cdef bint read_paused
    # Whether the application has to let the loop turn, and the bytes that were inflated since the last turn.
    cdef bint resting
    cdef size_t inflated

    # Keepalive: the time of the last ping, and its payload while the pong is awaited. `stalled` (Outgoing) is the
    # number of bytes that were unsent then, if the buffer was full or reading has paused meanwhile; then
    # `ping_sent_at` is the time at which the peer last took some of them.
    cdef readonly double ping_sent_at
    cdef uint8_t ping_id[4]
    cdef bint ping_pending

    cdef int queue_close(self, int code, str reason) except -1

    # Whether a task waits in `wait`: it has answered all messages that it got.
    cdef bint idle(self) noexcept
    cdef int wake(self) except -1
    cdef int pause_reading(self) except -1
    cdef int resume_reading(self) except -1
    cdef object inflate(self, bytes payload, EventKind kind)
    cdef int spoilt(self, int code, str reason) except -1

    # Ends. `start_closing` sends our close frame. `fail` ends a broken connection now, with a close frame.
    # `peer_closed` answers the peer's close frame. `lost` is for a transport that is gone, `broken` for a transport
    # that raised. The first end counts: later ends change neither code nor reason.
    cdef int start_closing(self, int code, str reason, double timeout) except -1
    cdef int log_fault(self, int code, str reason) except -1
    cdef int peer_closed(self, const uint8_t* data, size_t size) except -1
    cdef int end_failing(self) except -1
    cdef int close_transport(self) except -1
    cdef int arm_close_timer(self, double delay) except -1

    cdef int start_keepalive(self) except -1
    cdef int send_ping(self) except -1
    cdef int watch_writing(self, double now, double timeout) except -1
    cdef int give_up(self) except -1

    # The application has ended. For the subclass to define.
    cdef int app_ended(self, object exc, object result, bint cancelled) except -1
