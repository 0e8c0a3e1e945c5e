"""``WebSocketProtocol``: the asyncio protocol that uvicorn builds for each upgraded connection.

    Channel              the interface for the core (wirefast._core.channel)
      Flushable          the interface for the event loop's reactor
        FrameStream      frames in
          Outgoing       frames out, flow control, the transport
            Connection   events, keepalive, close
              Opening    the answer to the handshake
                WebSocketProtocol

Each socket has one object. All of its state is in these seven .pxd files.
"""

import asyncio
import contextvars
import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast._core.channel cimport AsgiReceive, AsgiSend
from wirefast._core.close cimport CLOSE_INTERNAL_ERROR, CLOSE_NORMAL, CLOSE_SERVICE_RESTART
from wirefast.server.app_coroutine cimport AppCoroutine, make_app_coroutine
from wirefast.server.deflate cimport parse_offers
from wirefast.server.handshake cimport check_handshake, offered_subprotocols
from wirefast.server.head cimport Head, HeadReader
from wirefast.server.lazy_scope cimport LazyScope, asked, new_scope
from wirefast.server.outgoing cimport CLOSED, CLOSING, CONNECTING, LOST, OPEN
from wirefast.server.reactor cimport reactor_of
from wirefast.server.settings cimport settings_of
from wirefast.server.sockets.transport cimport SocketTransport

import uvicorn.logging
from uvicorn.protocols.utils import ClientDisconnected, get_remote_addr

from wirefast._core.groups import only_cause
from wirefast._core.source_location import for_readers, unanswered
from wirefast._core.whose import is_anothers
from wirefast.server.reasons import failed_line
from wirefast.server.refused import Refused
from wirefast.server.settings import finish

cdef int TRACE = uvicorn.logging.TRACE_LOG_LEVEL
cdef object get_running_loop = asyncio.get_running_loop
cdef object iscoroutine = asyncio.iscoroutine

# The ends that the server itself decides: close code and reason, as the application receives them.
cdef tuple SHUTDOWN_END = (CLOSE_SERVICE_RESTART, None)
cdef tuple NORMAL_END = (CLOSE_NORMAL, "")
cdef tuple ERROR_END = (CLOSE_INTERNAL_ERROR, "")
cdef tuple CANCELLED_END = (CLOSE_SERVICE_RESTART, "")

# Seconds between the close frame of a shutdown and the connection's end.
cdef double SHUTDOWN_TIMEOUT = 2.0
cdef size_t EARLY_LIMIT = 65536
# Seconds for the whole head, if another HTTP protocol than ours hands over a part of it.
cdef double HEAD_TIMEOUT = 10.0


async def awaited(awaitable):
    return await awaitable


cdef bint is_disconnect(object exc):
    """Whether an exception means only that the peer is gone: ours, or a framework's WebSocketDisconnect."""
    if isinstance(exc, ClientDisconnected):
        return True
    for cls in type(exc).__mro__:
        if cls.__name__ == "WebSocketDisconnect":
            return True
    return False


def is_clients(exc):
    """Whether an exception is no error of the application: the peer is gone, or sent data that cannot be accepted."""
    return hasattr(exc, "wirefast_close") or is_disconnect(exc)


cdef class WebSocketProtocol(Opening):
    """A WebSocket for uvicorn (``--ws wirefast.server:WebSocketProtocol``, or ``Config(ws=...)``).

    Args:
        config: uvicorn's Config; every ``ws_*`` setting, ``limit_concurrency`` and ``root_path`` apply. If a setting is
            out of bounds (`wirefast.server.bounds`), the server answers every handshake with 500, and the log has one
            line with the reason.
        server_state: uvicorn's ServerState.
        app_state: the lifespan state, copied into each scope.

    Unsent bytes are bounded. ``await send`` waits while the transport holds more than 64 KiB. Several tasks that send at
    the same time can queue 1 MiB (1048576 bytes) more; the next message then ends the connection with 1008 and a warning,
    and ``server_state.wirefast_settings.overflows`` counts it. A single message may have any size.

    ``scope["extensions"]["wirefast"]`` is this object. The application may call ``configure`` and ``explain_refusal``
    until it accepts or refuses the handshake.

    The answer to a refused handshake is 403 with ``{"code": ..., "reason": "..."}``, the values of ``websocket.close``.

    The log has a line for each handshake unless ``access_log`` is False.
    """

    def __init__(self, config, server_state, app_state, _loop=None):
        self.reactor = reactor_of(get_running_loop() if _loop is None else _loop)
        self.settings = settings_of(config, server_state)
        self.app_state = app_state
        self.limit_messages(self.settings.max_size)
        self.close_timeout = 10.0
        self.agree_to_deflate = self.settings.deflate

    # ---- Asyncio's side ----

    def connection_made(self, transport):
        self.transport = transport
        if isinstance(transport, SocketTransport):
            self.plain = transport
            self.takes_bytes = type(self).data_received is WebSocketProtocol.data_received
        self.settings.server_state.connections.add(self)
        if self.settings.trace:
            self.settings.logger.log(TRACE, "%s - WebSocket connection made", asked(get_remote_addr, transport))

    def connection_lost(self, exc):
        self.settings.server_state.connections.discard(self)
        if self.settings.trace:
            self.settings.logger.log(TRACE, "%s - WebSocket connection lost", asked(get_remote_addr, self.transport))
        self.early = None
        self.lost()

    def eof_received(self):
        """Let the transport close: after a half-close the peer cannot answer a close frame."""
        if self.unsent():
            # A transport that closes waits until its peer has read all. The peer may never do so, and no other timer ends
            # the wait.
            self.reactor.loop.call_later(self.close_timeout, self.transport.abort)
        return None

    def data_received(self, data):
        cdef bytes chunk
        if self.state != CONNECTING:
            chunk = bytes(data) if type(data) is not bytes else data
            self.in_read = True
            try:
                self.feed(<const uint8_t*> PyBytes_AS_STRING(chunk), <size_t> PyBytes_GET_SIZE(chunk))
                if self.ring_count:
                    self.wake()
            finally:
                self.in_read = False
            if self.out is not None:
                self.flush()
        elif self.scope is None:
            self.read_head(bytes(data))
        else:
            if self.early is None:
                self.early = bytearray(data)
            else:
                self.early += data
            if <size_t> len(self.early) > EARLY_LIMIT and not self.read_paused:
                self.pause_reading()

    cdef bint bytes_received(self, const uint8_t* data, size_t size) except -1:
        if self.state == CONNECTING:
            self.data_received(PyBytes_FromStringAndSize(<const char*> data, <Py_ssize_t> size))
            return False
        self.feed(data, size)
        if self.ring_count:
            self.wake()
        return not self.in_frame and self.stash_size == 0

    def shutdown(self):
        """Tell the peer and the application that uvicorn stops."""
        if self.state == OPEN:
            self.end = SHUTDOWN_END
            self.start_closing(CLOSE_SERVICE_RESTART, "", min(SHUTDOWN_TIMEOUT, self.close_timeout))
        elif self.state == CONNECTING:
            self.refuse_text(503, "Service Unavailable")
        elif self.state != LOST:
            if self.state == CLOSING:
                self.close_transport()
            # The connection waits for its peer to read or to end, no longer than any other connection of the shutdown.
            if self.close_timer is not None:
                self.arm_close_timer(min(SHUTDOWN_TIMEOUT, self.close_timeout))

    # ---- Draining (wirefast.server.drain) ----

    def is_connected(self):
        """Whether the handshake is accepted and neither side has closed."""
        return self.state == OPEN

    def is_busy(self):
        """Whether messages wait for the application, or the application, which has received before, does not receive
        now: it works on a message."""
        return self.state == OPEN and (self.ring_count > 0 or (self.waiter is not None and self.waiter.callback is None))

    def go_away(self, str reason not None, double seconds=10.0):
        """Send the peer to another server: close with 1012, or answer 503 before the handshake is accepted.

        Do nothing after the connection's end.

        Args:
            reason: the reason of the close frame, such as ``retry=250``.
            seconds: the time for a peer that has not read all yet. A peer that has read all gets 2.
        """
        cdef double patience = min(SHUTDOWN_TIMEOUT, self.close_timeout)
        if self.state == OPEN:
            if self.failing is not None:
                self.fail(self.failing[0], self.failing[1])
                return
            if self.write_paused:
                patience = max(patience, seconds)
            self.end = SHUTDOWN_END
            self.start_closing(CLOSE_SERVICE_RESTART, reason, patience)
            self.flush()
        elif self.state == CONNECTING:
            self.refuse_request(Refused(503, "Service Unavailable", b"retry-after: 2\r\n"))

    def refuse_handshake(self, Head head not None, refused):
        """Answer a handshake, whose head has been read, with a `Refused`."""
        self.request = head
        self.refuse_request(refused)

    # ---- The handshake ----

    def begin(self, Head head not None, bytes rest not None):
        """Take over a connection whose request head has been read.

        Args:
            head: an upgrade to ``websocket``, well formed or not.
            rest: the bytes behind the head.
        """
        if rest:
            self.early = bytearray(rest)
        self.handshake(head)

    cdef int read_head(self, bytes data) except -1:
        """Read the head that another HTTP protocol than ours hands over: a whole head, or a part of a wrong one."""
        cdef Head head
        cdef size_t used = 0
        if self.reader is None:
            self.reader = HeadReader()
            self.arm_close_timer(HEAD_TIMEOUT)
        try:
            head = self.reader.feed(
                <const uint8_t*> PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data), &used
            )
        except Refused as exc:
            return self.refuse_request(exc)
        if head is None:
            return 0
        self.reader = None
        self.close_timer.cancel()
        self.close_timer = None
        self.begin(head, data[used:])
        return 0

    cdef int handshake(self, Head head) except -1:
        self.request = head
        try:
            check_handshake(head)
            self.subprotocols = offered_subprotocols(head)
            if head.extensions is not None:
                try:
                    self.offers = parse_offers(head.extensions)
                except ValueError as exc:
                    raise Refused(400, str(exc)) from None
            if self.settings.invalid:
                raise Refused(500, "Internal Server Error")
            if self.settings.full():
                self.settings.logger.warning("Exceeded concurrency limit.", extra=self.told())
                raise Refused(503, "Service Unavailable")
        except Refused as exc:
            return self.refuse_request(exc)
        self.scope = self.make_scope()
        self.subprotocols = None
        return self.start_app()

    cdef LazyScope make_scope(self):
        self.mark = {}
        return new_scope(self, self.settings, self.request, self.subprotocols, self.app_state)

    cdef int start_app(self) except -1:
        cdef object loop = self.reactor.loop
        cdef AppCoroutine stepper
        self.app_runs = True
        try:
            if self.settings.rewrite is not None and (self.request.forwarded or self.settings.rewrites_all):
                finish(self.settings.rewrite(self.scope, None, None))
            coroutine = self.settings.app(self.scope, AsgiReceive(self), AsgiSend(self))
        except Exception as exc:
            return self.app_ended(exc, None, False)
        if not iscoroutine(coroutine):
            coroutine = awaited(coroutine)
        stepper = make_app_coroutine(coroutine, self)
        if not self.settings.reset_contextvars:
            task = loop.create_task(stepper)
        elif sys.version_info >= (3, 11):
            task = loop.create_task(stepper, context=contextvars.Context())
        else:
            task = contextvars.Context().run(loop.create_task, stepper)
        if task.done():
            if self.app_runs:
                self.on_task_done(task)
            return 0
        self.settings.server_state.tasks.add(task)
        get_coro = getattr(task, "get_coro", None)
        if get_coro is None or get_coro() is not stepper:
            # A task factory has put a coroutine of its own around the application. That may end without the application,
            # run it in another task, and see its exception.
            stepper.wrapped = True
            task.add_done_callback(self.on_task_done)
        return 0

    # ---- The application's end ----

    def on_task_done(self, task):
        """End the handshake or the connection: the task in which a task factory runs the application has ended."""
        self.settings.server_state.tasks.discard(task)
        if not self.app_runs:
            # The application ended in its first step, in an eager task.
            return
        if task.cancelled():
            self.app_ended(None, None, True)
        else:
            exc = task.exception()
            self.app_ended(exc, None if exc is not None else task.result(), False)

    def is_its_clients(self, exc):
        """Whether an exception is no error of the application: `is_clients` is true of it, and it does not belong to
        another connection."""
        return is_clients(exc) and not is_anothers(exc, self.mark)

    cdef int app_ended(self, object exc, object result, bint cancelled) except -1:
        """End the handshake or the connection, unless the application has done so."""
        cdef int kind
        cdef object cause = exc if exc is None else only_cause(exc, self.is_its_clients)
        # Close code and reason. The core sets this attribute on an exception that the peer's data caused.
        cdef tuple peers_fault = getattr(cause, "wirefast_close", None)
        cdef bint failed = cause is not None and not self.is_its_clients(cause)
        self.app_runs = False
        if failed:
            peers_fault = None
        if peers_fault is not None and self.failing is None:
            self.log_fault(peers_fault[0], peers_fault[1])
        if failed:
            self.settings.logger.error(
                "Exception in ASGI application\n", exc_info=for_readers(exc), extra=self.told()
            )
        elif result is not None:
            self.settings.logger.error(
                "ASGI callable should return None, but returned '%s'.", result, extra=self.told()
            )
            failed = True
        if self.state == CONNECTING:
            if self.denial_status:
                self.finish_denial()
            else:
                if exc is None and not cancelled:
                    self.settings.logger.error(
                        "ASGI callable returned without completing handshake. %s",
                        unanswered(self.scope),
                        extra=self.told(),
                    )
                self.log_response(failed_line(exc, cancelled))
                self.refuse_text(500, "Internal Server Error")
        elif self.state == OPEN:
            while self.ring_count:
                self.pop(&kind)
            if self.failing is not None:
                self.fail(self.failing[0], self.failing[1])
            else:
                if peers_fault is not None:
                    self.end = peers_fault
                else:
                    self.end = ERROR_END if failed else CANCELLED_END if cancelled else NORMAL_END
                self.start_closing(self.end[0], self.end[1], self.close_timeout)
        if cancelled and self.state == CLOSING:
            # uvicorn waits no longer: it will stop the loop now.
            self.close_transport()
        self.scope = None
        return 0
