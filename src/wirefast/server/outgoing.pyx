# distutils: sources = csrc/frame.c
"""The writing half of a connection: messages to frames, and frames to the transport.

Writing never blocks. Frames are collected and leave together at the end of the turn; `drain` tells the application when
to wait. Unsent bytes are bounded. Above the transport's high-water mark (64 KiB), senders that do not wait for each other
queue at most 1 MiB and one message more; then the connection ends with 1008.

Any call of a transport may raise. So the state is changed before the call, and a connection whose transport raises is
lost (`broken`).
"""

import asyncio
from functools import partial

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.stdint cimport SIZE_MAX, uint8_t, uint32_t
from libc.string cimport memcpy

from wirefast._core.channel cimport EventKind
from wirefast._core.close cimport CLOSE_POLICY_VIOLATION, CLOSE_TRY_AGAIN_LATER
from wirefast._core.instant cimport monotonic
from wirefast._core.outbox cimport CLOSING as TOO_SLOW, GONE, SENT, WAIT, Outbox, Policy
from wirefast.server.csrc cimport FRAME_HEADER_MAX, FRAME_RSV1, frame_build
from wirefast.server.deflate cimport deflate_alone
from wirefast.server.frame_row cimport ROW_PAYLOAD, FrameRow

from uvicorn.protocols.utils import ClientDisconnected

from wirefast._core import close

cdef object sleep = asyncio.sleep

cdef enum:
    # From so many queued bytes on, the transport gets the frames before the turn ends.
    OUT_HIGH = 65536
    # The bytes that senders can queue here, without waiting for each other, while the transport's buffer is over its
    # high-water mark. The next message ends the connection. One message may pass the bound by its own size.
    UNSENT_MAX = 1048576
    # After so many sends in one turn of the loop, the sender has to wait for the next turn.
    SENDS_PER_TURN = 64


def cancel_timer(timer, future):
    timer.cancel()


cdef bytes make_frame(unsigned opcode, unsigned rsv, const char* data, size_t size):
    cdef uint8_t header[FRAME_HEADER_MAX]
    cdef size_t header_size = frame_build(header, opcode, rsv, size)
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, header_size + size)
    cdef char* target = PyBytes_AS_STRING(frame)
    memcpy(target, header, header_size)
    if size:
        memcpy(target + header_size, data, size)
    return frame


cdef class Outgoing(FrameStream):
    cdef int fail(self, int code, str reason) except -1:
        raise NotImplementedError

    cdef int lost(self) except -1:
        raise NotImplementedError

    # ---- Frames to the peer ----

    cdef int send_frame(self, EventKind kind, const char* data, Py_ssize_t size) except -1:
        cdef bytes packed
        if self.state != OPEN:
            return self.not_open("websocket.send")
        if self.write_paused and self.outbox is not None and self.outbox.ordinary_size >= UNSENT_MAX:
            self.overflow()
            return self.not_open("websocket.send")
        if self.deflate is not None:
            packed = self.deflate.deflate(data, size)
            if not self.deflate.watched:
                self.reactor.watch(self.deflate)
            if packed is not None:
                return self.queue_data(
                    make_frame(kind, FRAME_RSV1, PyBytes_AS_STRING(packed), <size_t> PyBytes_GET_SIZE(packed))
                )
        if size <= ROW_PAYLOAD and self.out is not None and not self.write_paused:
            return self.queue_in_row(kind, data, <size_t> size)
        return self.queue_data(make_frame(kind, 0, data, <size_t> size))

    cdef int queue_data(self, bytes frame) except -1:
        if self.write_paused:
            return self.own_outbox().keep(frame, PyBytes_GET_SIZE(frame), self.reactor.now())
        return self.queue(frame)

    cdef int queue_in_row(self, EventKind kind, const char* data, size_t size) except -1:
        cdef FrameRow row = self.reactor.row
        if row.owner is not self or not row.has_room():
            if row.owner is not None:
                (<Outgoing> row.owner).end_row()
            row.owner = self
        self.out_size += row.append(kind, data, size)
        return self.flush_all() if self.out_size >= OUT_HIGH else 0

    cdef int end_row(self) except -1:
        if self.reactor.row.owner is self:
            self.out.append(self.reactor.row.take())
        return 0

    cdef bytes ready_frame(self, EventKind kind, bytes data):
        return make_frame(kind, 0, PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data))

    cdef bytes packed_frame(self, EventKind kind, bytes data):
        cdef bytes packed = deflate_alone(data)
        if packed is None:
            return None
        return make_frame(kind, FRAME_RSV1, PyBytes_AS_STRING(packed), <size_t> PyBytes_GET_SIZE(packed))

    cdef int forget_context(self) except -1:
        if self.deflate is not None:
            # The peer gets a message of another context. So the next compressed message begins a new stream, which does
            # not refer to earlier messages.
            self.deflate.compressor = None
        return 0

    cdef int offer(self, bytes frame, Py_ssize_t size, Policy policy, object key, bint first) except -1:
        cdef Outbox outbox = self.outbox
        cdef int outcome
        if self.state != OPEN or self.failing is not None:
            return GONE
        if not self.write_paused and (policy.rule != WAIT or first or outbox is None or outbox.waiters is None):
            # The frame is uncompressed, or compressed without a context. Every agreement allows both (RFC 7692, section 6).
            self.queue(frame)
            return SENT
        outbox = self.own_outbox()
        outcome = outbox.admit(frame, PyBytes_GET_SIZE(frame), policy, key, first, self.reactor.now())
        if outcome == TOO_SLOW:
            reason = close.too_slow(outbox.count, outbox.size)
            outbox.give_up()
            self.dismiss(CLOSE_TRY_AGAIN_LATER, reason)
        return outcome

    cdef double waiting_for(self) except? -1.0:
        since = None if self.outbox is None else self.outbox.since()
        return 0.0 if since is None else max(0.0, self.reactor.now() - since)

    cdef int empty_outbox(self) except -1:
        cdef Outbox outbox = self.outbox
        cdef list frames
        if outbox is None:
            return 0
        while outbox.count and not self.write_paused and self.state != LOST:
            frames = outbox.take(OUT_HIGH)
            if not self.write(frames):
                return 0
        return 0

    cdef bint write(self, list frames) except -1:
        """Give frames to the transport. Return false if it takes no more; then the connection is lost or ends."""
        if self.plain is not None and not self.plain.closing:
            self.plain.send(frames)
            return True
        try:
            if not self.transport.is_closing():
                self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
                return True
        except Exception as exc:
            # A network error never makes this call raise, so the error is logged. A traceback would not help.
            self.settings.logger.error(
                "Writing to a WebSocket failed", exc_info=(type(exc), exc, None), extra=self.told()
            )
            self.broken(exc)
            return False
        # A write failed. Do not write again; the next send raises.
        if self.state == OPEN:
            self.lost()
        return False

    cdef int commit_outbox(self) except -1:
        cdef bytes frame
        if self.outbox is not None and self.outbox.count:
            if self.out is None:
                self.out = []
            self.end_row()
            for frame in self.outbox.take(PY_SSIZE_T_MAX):
                self.out.append(frame)
                self.out_size += <size_t> PyBytes_GET_SIZE(frame)
        return 0

    cdef int queue(self, bytes frame) except -1:
        if self.out is None:
            self.out = [frame]
            if not self.in_read:
                self.reactor.mark(self)
        else:
            self.end_row()
            self.out.append(frame)
        self.out_size += <size_t> PyBytes_GET_SIZE(frame)
        if self.out_size >= OUT_HIGH and not self.write_paused:
            self.flush_all()
        return 0

    cdef int flush(self) except -1:
        self.sends = 0
        if self.write_paused:
            return 0
        return self.flush_all()

    cdef int flush_all(self) except -1:
        """Give the transport all queued frames, even when its buffer is full."""
        cdef list out = self.out
        if out is None:
            return 0
        self.end_row()
        self.out = None
        self.out_size = 0
        if self.state != LOST:
            self.write(out)
        return 0

    cdef size_t unsent(self) except? 0:
        try:
            return self.out_size + <size_t> self.transport.get_write_buffer_size()
        except Exception:
            # The transport has no buffer, or is gone.
            return self.out_size

    cdef int overflow(self) except -1:
        self.settings.overflows += 1
        self.settings.logger.warning(
            "%s - WebSocket closed: %d bytes unsent",
            self.peer(),
            self.unsent() + <size_t> self.outbox.size,
            extra=self.told(),
        )
        return self.fail(CLOSE_POLICY_VIOLATION, close.TOO_MANY_UNSENT)

    cdef object drain(self):
        if self.write_paused and self.state == OPEN:
            future = self.reactor.loop.create_future()
            if self.drainers is None:
                self.drainers = [future]
            else:
                self.drainers.append(future)
            if self.send_timeout > 0:
                timer = self.reactor.loop.call_later(self.send_timeout, self.on_send_timeout, future)
                future.add_done_callback(partial(cancel_timer, timer))
            return future
        self.sends += 1
        if self.sends >= SENDS_PER_TURN:
            self.sends = 0
            return sleep(0)
        return None

    def on_send_timeout(self, future):
        """End a connection whose send has waited for as long as its route allows."""
        if not future.done() and self.state == OPEN:
            self.fail(CLOSE_TRY_AGAIN_LATER, close.send_timed_out(self.send_timeout))

    def pause_writing(self):
        """Stop sends: the transport's write buffer is over its high-water mark."""
        self.write_paused = True
        self.taken_at = <uint32_t> (monotonic() * TAKEN_UNITS)

    def resume_writing(self):
        """Let sends go on: the transport's write buffer is below its low-water mark."""
        self.write_paused = False
        self.taken_at = <uint32_t> (monotonic() * TAKEN_UNITS)
        if self.stalled:
            # The transport has sent the bytes that the keepalive saw. Later bytes do not matter.
            self.stalled = SIZE_MAX
        if self.late_pong is not None:
            if self.state == OPEN:
                self.queue(self.late_pong)
            self.late_pong = None
        self.flush()
        self.empty_outbox()
        # Published messages may fill the buffer again at once, but a sender waits for its own messages only.
        if not self.write_paused or (self.outbox is not None and self.outbox.ordinary_count == 0):
            self.release_drainers()

    cdef int release_drainers(self) except -1:
        """Let the waiting senders go on; raise in them if the peer is gone."""
        cdef list drainers = self.drainers
        self.drainers = None
        if self.outbox is not None and self.state != OPEN:
            self.outbox.end()
        if drainers is not None:
            for future in drainers:
                if not future.done():
                    if self.state == OPEN:
                        future.set_result(None)
                    else:
                        future.set_exception(self.gone())
        return 0

    cdef int not_open(self, str message_type) except -1:
        if self.state == CONNECTING:
            raise RuntimeError(
                "Expected ASGI message 'websocket.accept', 'websocket.close' or 'websocket.http.response.start' "
                f"but got '{message_type}'."
            )
        if self.app_closed and self.state != LOST:
            raise RuntimeError(f"Unexpected ASGI message '{message_type}', after sending 'websocket.close'.")
        raise self.gone()

    cdef object gone(self):
        """Return the exception for users of a connection whose peer is gone. The exception names its connection."""
        cdef object exc = ClientDisconnected()
        exc.wirefast_connection = self.mark
        return exc

    # ---- The transport ----

    cdef str peer(self):
        """Return the address of the peer, or of a proxy, for the log; "unix" for a Unix socket, which has no address."""
        # The transport has noted the address. The socket does not know it once the peer has reset the connection.
        try:
            address = self.transport.get_extra_info("peername")
        except Exception:
            return "unknown"
        return "%s:%d" % address[:2] if isinstance(address, tuple) else "unix"

    cdef dict told(self):
        return {"client": self.peer()}

    cdef bint is_gone(self) except -1:
        """Whether the transport is closing or lost."""
        try:
            return self.transport.is_closing()
        except Exception as exc:
            self.broken(exc)
            return True

    cdef int abort(self) except -1:
        abort = getattr(self.transport, "abort", None) or self.transport.close
        abort()
        return 0

    cdef int broken(self, object exc) except -1:
        """Lose the connection: a call of the transport raised, perhaps in the middle of a change of state."""
        if self.state == LOST:
            return 0
        if not isinstance(exc, (OSError, RuntimeError)):
            # The error is a mistake in a program, and no failure of a connection.
            self.settings.logger.error(
                "%s - The transport of a WebSocket failed", self.peer(), exc_info=exc, extra=self.told()
            )
        self.lost()
        try:
            self.abort()
        except Exception:
            # The transport will not call connection_lost, so the connection leaves the list here.
            self.settings.server_state.connections.discard(self)
        return 0
