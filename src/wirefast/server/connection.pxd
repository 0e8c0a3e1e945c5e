# One open WebSocket: its events, keepalive and the closing handshake.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t

from wirefast._core.channel cimport EventKind
from wirefast.server.outgoing cimport Outgoing
from wirefast.server.waiter cimport Waiter


cdef class Connection(Outgoing):
    # The end. `end` is the payload of the CLOSED event, once there is one. `peer_ended`: the peer closed or left, and no
    # earlier fault of it is known. `fault_logged`: the peer's fault is in the log.
    cdef tuple end
    cdef bint peer_ended
    cdef bint fault_logged
    # Seconds for the peer to answer our close frame, and the timer that aborts the transport.
    cdef public double close_timeout
    cdef readonly object close_timer

    # Reading. What `wait` gave out: the waiter, and futures when more than one task waits.
    cdef Waiter waiter
    cdef list more_waiters
    cdef bint read_paused
    # Whether the application has to let the loop turn, and what was inflated since it last did.
    cdef bint resting
    cdef size_t inflated

    # Keepalive: when the last ping went out, and its payload while the pong is awaited. `stalled` (Outgoing) is what
    # was unsent then, where the buffer was full, or when reading was found to pause meanwhile; `ping_sent_at` is
    # then when the peer last took some of it.
    cdef readonly double ping_sent_at
    cdef uint8_t ping_id[4]
    cdef bint ping_pending

    cdef int queue_close(self, int code, str reason) except -1

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
    cdef int log_fault(self, int code, str reason) except -1
    cdef int peer_closed(self, const uint8_t* data, size_t size) except -1
    cdef int end_failing(self) except -1
    cdef int close_transport(self) except -1
    cdef int arm_close_timer(self, double delay) except -1

    cdef int start_keepalive(self) except -1
    cdef int send_ping(self) except -1
    cdef int watch_writing(self, double now, double timeout) except -1
    cdef int give_up(self) except -1
