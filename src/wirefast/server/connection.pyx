# distutils: sources = csrc/frame.c csrc/utf8.c
"""One open WebSocket, between the frames that arrive and the application's calls.

Reading goes on while the application is busy, so that pings, pongs and the close frame of the peer are noticed. Unread
messages are bounded in bytes. Reading pauses only past that bound, and keepalive pauses with it, since a peer whose
pong is not read may be alive.
"""

import random
import zlib

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy

from wirefast._core.channel cimport BINARY, CLOSED as CLOSED_EVENT, NOTHING, TEXT
from wirefast._core.close cimport (
    CLOSE_ABNORMAL, CLOSE_INTERNAL_ERROR, CLOSE_INVALID_DATA, CLOSE_NO_CODE, CLOSE_POLICY_VIOLATION, CLOSE_PROTOCOL_ERROR,
    CLOSE_TOO_BIG,
)
from wirefast._core.instant cimport monotonic
from wirefast.server.csrc cimport (
    FRAME_CLOSE, FRAME_PING, FRAME_PONG, frame_close_code_ok, utf8_valid,
)
from wirefast.server.frames cimport PACKED
from wirefast.server.outgoing cimport CLOSED, CLOSING, LOST, OPEN, TAKEN_UNITS, make_frame
from wirefast.server.waiter cimport make_waiter

from wirefast._core import close
from wirefast.server.deflate import MessageTooBig, TooManyFinalBlocks

cdef enum:
    # Unread bytes at which reading pauses with any number of messages, and unread bytes at which it pauses with
    # ws_max_queue messages. Reading goes on below the third number.
    UNREAD_HIGH = 1048576
    UNREAD_QUEUE = 65536
    UNREAD_LOW = 32768
    # After so many inflated bytes in one turn of the loop the receiver has to let it turn. The second number is added
    # for a final block, after which zlib begins a new stream.
    INFLATED_PER_TURN = 1048576
    FINAL_BLOCK_COST = 4096

# Seconds that the application has to answer messages before malformed bytes, and seconds that a failed connection stays
# open so that the peer can read the reason.
cdef double FAIL_GRACE = 0.2
cdef double LINGER = 1.0


# The end of a connection that was lost without a close frame: no code and no reason.
cdef tuple LOST_END = (CLOSE_ABNORMAL, None)


cdef class Connection(Outgoing):

    @property
    def ping_timer(self):
        """The state of keepalive; None when it is off."""
        return self.bucket

    # ---- Events for the application ----

    cdef object next_event(self, EventKind* kind):
        cdef int found = 0
        if self.resting:
            # Much was inflated since the last turn of the loop: other tasks have their turn first. `wait` lets the loop
            # turn.
            kind[0] = NOTHING
            return None
        if self.ring_count:
            payload = self.pop(&found)
            if self.read_paused and self.unread_bytes < UNREAD_LOW:
                self.resume_reading()
            if found & PACKED:
                kind[0] = <EventKind> (found & ~PACKED)
                payload = self.inflate(payload, kind[0])
                if payload is None:
                    kind[0] = CLOSED_EVENT
                    return self.end
                self.inflated += <size_t> PyBytes_GET_SIZE(payload) + self.deflate.final_blocks * FINAL_BLOCK_COST
                if self.inflated >= INFLATED_PER_TURN:
                    self.inflated = 0
                    self.resting = True
                return payload
            kind[0] = <EventKind> found
            return payload
        if self.failing is not None:
            self.fail(self.failing[0], self.failing[1])
        if self.end is not None:
            kind[0] = CLOSED_EVENT
            return self.end
        kind[0] = NOTHING
        return None

    cdef object inflate(self, bytes payload, EventKind kind):
        """Inflate a message; None if the bytes are no DEFLATE, and the connection has failed."""
        try:
            payload = self.deflate.inflate(payload, <Py_ssize_t> self.max_size)
            if not self.deflate.watched:
                self.reactor.watch(self.deflate)
        except MessageTooBig:
            self.spoilt(CLOSE_TOO_BIG, close.MESSAGE_TOO_BIG)
            return None
        except TooManyFinalBlocks:
            self.spoilt(CLOSE_POLICY_VIOLATION, close.TOO_MANY_FINAL_BLOCKS)
            return None
        except zlib.error:
            self.spoilt(CLOSE_PROTOCOL_ERROR, close.MALFORMED_DEFLATE)
            return None
        if kind == TEXT and not utf8_valid(
            <const uint8_t*> PyBytes_AS_STRING(payload), <size_t> PyBytes_GET_SIZE(payload)
        ):
            self.spoilt(CLOSE_INVALID_DATA, close.INVALID_UTF8)
            return None
        return payload

    cdef int spoilt(self, int code, str reason) except -1:
        """End the connection for a message that came before all unread messages, and so before a later end."""
        cdef int kind
        while self.ring_count:
            self.pop(&kind)
        self.failing = None
        if self.state == OPEN:
            return self.fail(code, reason)
        if self.peer_ended:
            # The peer closed or left after the fault.
            self.peer_ended = False
            self.end = (code, reason)
            self.log_fault(code, reason)
        return 0

    cdef object wait(self):
        cdef bint ready = self.ring_count or self.end is not None or self.failing is not None
        cdef bint rest = self.resting
        self.resting = False
        if self.waiter is None or self.waiter.cancelled:
            self.waiter = make_waiter(self.reactor.loop)
        if self.waiter.callback is None:
            self.waiter.pending = not ready
            if rest:
                # Done in the next turn of the loop.
                self.waiter.pending = True
                self.reactor.wake(self.waiter)
            return self.waiter
        future = self.reactor.loop.create_future()
        if ready:
            future.set_result(None)
        elif self.more_waiters is None:
            self.more_waiters = [future]
        else:
            self.more_waiters.append(future)
        return future

    cdef bint has_unread(self) noexcept:
        return self.ring_count > 0

    cdef double taken_until(self) noexcept:
        return <double> self.taken_at / TAKEN_UNITS if self.write_paused else monotonic()

    cdef bint is_open(self) noexcept:
        return self.state == OPEN and self.failing is None

    cdef bint idle(self) noexcept:
        return self.waiter is not None and self.waiter.callback is not None

    cdef int wake(self) except -1:
        cdef list others
        if self.waiter is not None and self.waiter.pending:
            self.waiter.pending = False
            self.reactor.wake(self.waiter)
        if self.more_waiters is not None:
            others = self.more_waiters
            self.more_waiters = None
            for future in others:
                if not future.done():
                    future.set_result(None)
        return 0

    # ---- Frames from the peer ----

    cdef int on_message(self) except -1:
        cdef int kind
        if self.state != OPEN:
            self.pop(&kind)
            return 0
        if not self.read_paused and (
            self.unread_bytes >= UNREAD_HIGH
            or (self.ring_count >= self.settings.max_queue and self.unread_bytes >= UNREAD_QUEUE)
        ):
            self.pause_reading()
        return 0

    cdef int on_control(self, unsigned opcode, const uint8_t* data, size_t size) except -1:
        cdef bytes pong
        if opcode == FRAME_CLOSE:
            return self.peer_closed(data, size)
        if opcode == FRAME_PING:
            if self.state == OPEN:
                pong = make_frame(FRAME_PONG, 0, <const char*> data, size)
                if self.write_paused:
                    self.late_pong = pong
                else:
                    self.queue(pong)
        elif size == 4 and self.ping_pending and memcmp(data, self.ping_id, 4) == 0:
            self.ping_pending = False
        return 0

    cdef int on_malformed(self, int code, str reason) except -1:
        if self.state != OPEN:
            return self.close_transport()
        if self.ring_count == 0 and self.idle():
            return self.fail(code, reason)
        # The application is busy with earlier messages. It has a short time to answer them.
        self.failing = (code, reason)
        return self.reactor.schedule(self, FAIL_GRACE)

    cdef int pause_reading(self) except -1:
        try:
            if not self.transport.is_closing():
                self.read_paused = True
                self.transport.pause_reading()
        except Exception as exc:
            self.broken(exc)
        return 0

    cdef int resume_reading(self) except -1:
        if self.read_paused:
            self.read_paused = False
            try:
                if self.state < LOST and not self.transport.is_closing():
                    self.transport.resume_reading()
            except Exception as exc:
                self.broken(exc)
        return 0

    # ---- The end ----

    cdef int queue_close(self, int code, str reason) except -1:
        cdef bytes body = b""
        if code:
            body = bytes((code >> 8, code & 0xFF))
            if reason:
                body += close.cut_reason(reason)
        self.commit_outbox()
        return self.queue(make_frame(FRAME_CLOSE, 0, PyBytes_AS_STRING(body), <size_t> PyBytes_GET_SIZE(body)))

    cdef int close(self, int code, str reason) except -1:
        if self.state != OPEN:
            if self.app_closed or self.state == LOST:
                return self.not_open("websocket.close")
            return 0
        if not frame_close_code_ok(<unsigned> code):
            close.check_code(code)
        self.app_closed = True
        if self.failing is not None:
            return self.fail(self.failing[0], self.failing[1])
        self.end = (code, reason)
        return self.start_closing(code, reason, self.close_timeout)

    cdef int dismiss(self, int code, str reason) except -1:
        if self.state != OPEN:
            return 0
        if self.failing is not None:
            return self.fail(self.failing[0], self.failing[1])
        self.end = (code, reason)
        return self.start_closing(code, reason, self.close_timeout)

    cdef int start_closing(self, int code, str reason, double timeout) except -1:
        # Set the state first: any of the calls below may find the transport lost.
        self.state = CLOSING
        self.queue_close(code, reason)
        self.reactor.cancel(self)
        self.resume_reading()
        if self.state != LOST:
            self.arm_close_timer(timeout)
        self.wake()
        return self.release_drainers()

    cdef int peer_closed(self, const uint8_t* data, size_t size) except -1:
        cdef unsigned code = CLOSE_NO_CODE
        cdef str reason = ""
        # The peer's last frame, even with malformed content.
        self.ended = True
        if size == 1:
            return self.malformed(CLOSE_PROTOCOL_ERROR, close.MALFORMED_CLOSE)
        if size >= 2:
            code = <unsigned> data[0] << 8 | data[1]
            if not frame_close_code_ok(code):
                return self.malformed(CLOSE_PROTOCOL_ERROR, close.INVALID_CODE)
            if not utf8_valid(data + 2, size - 2):
                return self.malformed(CLOSE_INVALID_DATA, close.INVALID_UTF8)
            reason = (<const char*> data)[2:size].decode("utf-8")
        self.end_stream()
        if self.state == OPEN:
            self.state = CLOSED
            if self.failing is not None:
                # An earlier fault is the end, and the peer gets its code.
                self.end_failing()
                self.queue_close(self.end[0], self.end[1])
            else:
                self.end = (code, reason)
                self.peer_ended = True
                # With the reason too, as uvicorn does: a browser takes CloseEvent.reason from this frame.
                self.queue_close(0 if size == 0 else <int> code, reason)
            self.reactor.cancel(self)
            self.wake()
            self.release_drainers()
        return self.close_transport()

    cdef int end_failing(self) except -1:
        """Make the waiting failure the end, and log it."""
        self.end = self.failing
        self.failing = None
        return self.log_fault(self.end[0], self.end[1])

    cdef int log_fault(self, int code, str reason) except -1:
        """Log once that bytes of the peer end the connection; not for 1008 and 1011, which are for too many bytes."""
        if self.fault_logged or code == CLOSE_POLICY_VIOLATION or code == CLOSE_INTERNAL_ERROR:
            return 0
        self.fault_logged = True
        self.settings.logger.warning(
            "%s - WebSocket closed with %d: %s", self.peer(), code, reason, extra=self.told()
        )
        return 0

    cdef int fail(self, int code, str reason) except -1:
        self.failing = None
        if self.state != OPEN:
            return 0
        self.skipping = True
        self.log_fault(code, reason)
        if self.end is None:
            self.end = (code, reason)
        self.state = CLOSED
        self.queue_close(code, reason)
        self.reactor.cancel(self)
        self.flush_all()
        self.resume_reading()
        # A close with unread input makes the kernel send a reset, which can overtake our close frame. So the connection
        # waits for the peer's close frame, or for its end of file if the beginning of the next frame is unknown.
        if self.state != LOST:
            try:
                if not self.transport.is_closing():
                    self.arm_close_timer(LINGER)
                    if self.ended and self.transport.can_write_eof():
                        self.transport.write_eof()
            except Exception as exc:
                self.broken(exc)
        self.wake()
        return self.release_drainers()

    cdef int close_transport(self) except -1:
        """Close after everything is written, or abort when the peer does not read it."""
        self.flush_all()
        self.state = CLOSED if self.state < CLOSED else self.state
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None
        if self.state != LOST:
            try:
                if not self.transport.is_closing():
                    self.transport.close()
                    if self.unsent():
                        self.arm_close_timer(self.close_timeout)
            except Exception as exc:
                self.broken(exc)
        return 0

    cdef int arm_close_timer(self, double delay) except -1:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.reactor.loop.call_later(delay, self.on_close_timeout)
        return 0

    def on_close_timeout(self):
        """End a connection that the peer did not end in time."""
        self.close_timer = None
        if self.state != LOST:
            try:
                self.abort()
            except Exception as exc:
                self.broken(exc)

    cdef int lost(self) except -1:
        self.state = LOST
        if self.failing is not None:
            if self.end is None:
                self.end_failing()
            self.failing = None
        self.end_stream()
        self.out = None
        if self.reactor.row.owner is self:
            self.reactor.row.drop()
        self.late_pong = None
        self.reactor.cancel(self)
        if self.deflate is not None:
            self.reactor.unwatch(self.deflate)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None
        if self.end is None:
            self.end = LOST_END
            self.peer_ended = True
        self.wake()
        return self.release_drainers()

    # ---- Keepalive ----

    cdef int start_keepalive(self) except -1:
        if self.settings.ping_interval > 0:
            # A random phase, so that sockets that were opened together do not ping together.
            self.reactor.schedule(self, self.settings.ping_interval * (0.5 + 0.5 * random.random()))
        return 0

    cdef int due(self) except -1:
        cdef double now = self.reactor.now()
        cdef double interval = self.settings.ping_interval
        cdef double timeout = self.settings.ping_timeout
        cdef size_t unsent
        if self.state != OPEN:
            return 0
        if self.failing is not None:
            return self.fail(self.failing[0], self.failing[1])
        if self.read_paused:
            # The pong may have arrived unread, which is no fault of the peer.
            self.ping_pending = False
            if self.write_paused and timeout >= 0:
                return self.watch_writing(now, timeout)
            self.stalled = 0
            if not self.write_paused:
                # The pong is not read, but the ping lets the kernel notice that a peer has vanished.
                self.send_ping()
            return self.reactor.schedule(self, interval) if self.state == OPEN else 0
        if self.ping_pending and timeout >= 0:
            if now + 0.001 < self.ping_sent_at + timeout:
                # The pong may arrive at any time, and the next ping is due after the interval.
                return self.reactor.schedule(self, min(self.ping_sent_at + timeout - now, interval))
            if self.stalled:
                # The ping waits behind data: a peer that takes some of the data is alive.
                unsent = self.unsent()
                if unsent < self.stalled:
                    self.stalled = unsent if self.write_paused else 0
                    self.ping_sent_at = now
                    return self.reactor.schedule(self, timeout)
            return self.give_up()
        if now + 0.001 < self.ping_sent_at + interval and self.ping_sent_at > 0:
            return self.reactor.schedule(self, self.ping_sent_at + interval - now)
        if self.ping_pending and self.write_paused:
            # Without a timeout, one ping waits behind unsent data.
            return self.reactor.schedule(self, interval)
        self.ping_pending = True
        self.ping_sent_at = now
        self.stalled = self.unsent() if self.write_paused else 0
        self.send_ping()
        if self.state != OPEN:
            return 0
        return self.reactor.schedule(self, min(timeout, interval) if timeout >= 0 else interval)

    cdef int send_ping(self) except -1:
        cdef bytes payload = random.getrandbits(32).to_bytes(4, "big")
        memcpy(self.ping_id, PyBytes_AS_STRING(payload), 4)
        self.queue(make_frame(FRAME_PING, 0, PyBytes_AS_STRING(payload), 4))
        return self.flush()

    cdef int watch_writing(self, double now, double timeout) except -1:
        """Decide by the bytes that the peer takes whether it is alive: neither side reads, so no pong arrives."""
        cdef size_t unsent = self.unsent()
        if self.stalled == 0 or unsent < self.stalled:
            self.stalled = max(unsent, <size_t> 1)
            self.ping_sent_at = now
        elif now + 0.001 >= self.ping_sent_at + timeout:
            return self.give_up()
        return self.reactor.schedule(self, self.ping_sent_at + timeout - now)

    cdef int app_ended(self, object exc, object result, bint cancelled) except -1:
        raise NotImplementedError

    cdef int give_up(self) except -1:
        """End a connection whose peer shows no sign of life."""
        self.fail(CLOSE_INTERNAL_ERROR, close.PING_TIMEOUT)
        # The peer probably does not read the reason: do not wait for an answer, and give unsent bytes LINGER seconds.
        if self.state != LOST:
            try:
                self.transport.close()
            except Exception as exc:
                self.broken(exc)
        return 0
