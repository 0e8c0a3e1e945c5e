"""``WebSocketProtocol``: the asyncio protocol that uvicorn builds for each upgraded connection.

    Channel              what the core sees (wirefast._core.channel)
      Flushable          what the event loop's reactor sees
        FrameStream      frames in
          Outgoing       frames out, flow control, the transport
            Connection   events, keepalive, close
              WebSocketProtocol

One object a socket; all of its state is in these six .pxd files.
"""

import asyncio
import contextvars
import json
import sys
from urllib.parse import quote, unquote

from cpython.buffer cimport PyObject_CheckBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast._core.channel cimport AsgiReceive, AsgiSend
from wirefast._core.close cimport CLOSE_ABNORMAL, CLOSE_INTERNAL_ERROR, CLOSE_NORMAL, CLOSE_SERVICE_RESTART
from wirefast.server.csrc cimport FRAME_RSV1
from wirefast.server.deflate cimport Deflate, negotiate, parse_offers
from wirefast.server.handshake cimport (
    check_handshake, offered_subprotocols, subprotocol_line, switching_protocols,
)
from wirefast.server.head cimport Head, HeadReader
from wirefast.server.responses cimport header_line, header_pairs, response
from wirefast.server.outgoing cimport CLOSED, CLOSING, CONNECTING, LOST, OPEN
from wirefast.server.reactor cimport reactor_of
from wirefast.server.settings cimport settings_of

import uvicorn.logging
from uvicorn.protocols.utils import ClientDisconnected, get_local_addr, get_remote_addr, is_ssl

from wirefast._core import scope as keys
from wirefast._core.groups import only_cause
from wirefast._core.secrets import hide_query
from wirefast._core.whose import is_anothers
from wirefast._core.unicode import utf8
from wirefast.server.refused import Refused
from wirefast.server.settings import finish

cdef int TRACE = uvicorn.logging.TRACE_LOG_LEVEL
cdef object get_running_loop = asyncio.get_running_loop
cdef object iscoroutine = asyncio.iscoroutine

cdef str DENIAL_KEY = keys.DENIAL_RESPONSE
cdef str EXTENSION_KEY = keys.EXTENSION

# Header names that are the server's in a 101 response.
cdef frozenset reserved_names = frozenset((
    b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-version",
    b"content-length", b"transfer-encoding",
))

# How connections end without the application's or the peer's word: code and reason, None where no close frame was seen.
cdef tuple REFUSED_END = (CLOSE_ABNORMAL, None)
cdef tuple SHUTDOWN_END = (CLOSE_SERVICE_RESTART, None)
cdef tuple NORMAL_END = (CLOSE_NORMAL, "")
cdef tuple ERROR_END = (CLOSE_INTERNAL_ERROR, "")
cdef tuple CANCELLED_END = (CLOSE_SERVICE_RESTART, "")

# Seconds between the close frame of a shutdown and the end.
cdef double SHUTDOWN_TIMEOUT = 2.0
cdef size_t EARLY_LIMIT = 65536
# Seconds for the whole head, where an HTTP protocol of another make hands over a part of one.
cdef double HEAD_TIMEOUT = 10.0


async def awaited(awaitable):
    return await awaitable


cdef tuple address(object transport, str which):
    """An IP address that the transport has noted; None where it is another, or not known without asking the socket."""
    cdef object noted
    try:
        noted = transport.get_extra_info(which)
    except Exception:
        return None
    if type(noted) is not tuple or len(<tuple> noted) < 2:
        return None
    return noted if len(<tuple> noted) == 2 else (<tuple> noted)[:2]


cdef object asked(object question, object transport):
    """The answer to a question about a transport, which may be gone: None where asking it raises."""
    try:
        return question(transport)
    except Exception:
        return None


cdef bint is_disconnect(object exc):
    """Whether an exception says only that a peer is gone: ours, or a framework's WebSocketDisconnect."""
    if isinstance(exc, ClientDisconnected):
        return True
    for cls in type(exc).__mro__:
        if cls.__name__ == "WebSocketDisconnect":
            return True
    return False


def is_clients(exc):
    """Whether an exception is no error of the application: the peer is gone, or sent what cannot be accepted."""
    return hasattr(exc, "wirefast_close") or is_disconnect(exc)


cdef class WebSocketProtocol(Connection):
    """A WebSocket for uvicorn (``--ws wirefast.server:WebSocketProtocol``, or ``Config(ws=...)``).

    Args:
        config: uvicorn's Config; every ``ws_*`` setting, ``limit_concurrency`` and ``root_path`` apply. With one that
            is out of bounds (`wirefast.server.bounds`) every handshake is answered 500, and the log says why once.
        server_state: uvicorn's ServerState.
        app_state: the lifespan state, copied into each scope.

    Unsent bytes are bounded: ``await send`` waits while the transport holds more than 64 KiB, and once tasks that
    send at the same time have queued 1 MiB (1048576 bytes) behind that, the next message ends the connection with 1008, a
    warning, and one more in ``server_state.wirefast_settings.overflows``. A single message may have any size.

    ``scope["extensions"]["wirefast"]`` is this object. Until it accepts or refuses, the application may call two methods
    of it: ``configure`` and ``explain_refusal``.

    A refused handshake is answered 403 with ``{"code": ..., "reason": "..."}``, what ``websocket.close`` says.

    Each handshake is a line in the log unless ``access_log`` is False.
    """

    def __init__(self, config, server_state, app_state, _loop=None):
        self.reactor = reactor_of(get_running_loop() if _loop is None else _loop)
        self.settings = settings_of(config, server_state)
        self.app_state = app_state
        self.limit_messages(self.settings.max_size)
        self.close_timeout = 10.0
        self.agree_to_deflate = self.settings.deflate

    # asyncio's side.

    def connection_made(self, transport):
        self.transport = transport
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
        """The peer half-closed: nothing more can be agreed, so the transport closes."""
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

    def shutdown(self):
        """uvicorn is stopping: tell the peer and the application."""
        if self.state == OPEN:
            self.end = SHUTDOWN_END
            self.start_closing(CLOSE_SERVICE_RESTART, "", min(SHUTDOWN_TIMEOUT, self.close_timeout))
        elif self.state == CONNECTING:
            self.refuse_text(503, "Service Unavailable")
        elif self.state != LOST:
            if self.state == CLOSING:
                self.close_transport()
            # It waits for the peer, to read or to end, for as long as any other may take; no longer.
            if self.close_timer is not None:
                self.arm_close_timer(min(SHUTDOWN_TIMEOUT, self.close_timeout))

    # The extension `wirefast`, until the handshake is answered.

    def configure(self, *, per_message_deflate=None, max_size=None, send_timeout=None):
        """Set what this connection is to do, in place of the server's settings.

        Args:
            per_message_deflate: whether permessage-deflate (RFC 7692) is agreed to where the client offers it.
                Default: ``ws_per_message_deflate``.
            max_size: bytes of a message from the client, above which the connection fails with 1009. Only a bound below
                ``ws_max_size`` counts. Default: that.
            send_timeout: seconds that a send may wait for the peer to read. One that waits longer ends the connection
                with 1013 and a line in the log. Default: for ever.

        Raises:
            RuntimeError: the handshake is answered.
            TypeError, ValueError: a bound below 1, or seconds that are not positive.
        """
        cdef size_t bound
        if self.state != CONNECTING:
            raise RuntimeError("the options of a WebSocket are set before its handshake is answered")
        if per_message_deflate is not None:
            self.agree_to_deflate = per_message_deflate
        if max_size is not None:
            if max_size < 1:
                raise ValueError(f"max_size must be at least 1 byte, not {max_size}")
            bound = min(max_size, self.settings.max_size)
            self.limit_messages(bound)
        if send_timeout is not None:
            if not send_timeout > 0:
                raise ValueError(f"send_timeout must be a positive number of seconds, not {send_timeout}")
            self.send_timeout = send_timeout

    def __deepcopy__(self, memo):
        # In a copy of a scope it stands for the same connection.
        return self

    def explain_refusal(self, str closing not None, str reason not None, list errors not None):
        """Give what a 403 says in place of a close reason that is a list of errors as text.

        Args:
            closing: the reason that ``websocket.close`` will have. With another one, which a middleware may set, this
                explanation is not used.
            reason: the same in words.
            errors: the same as values of JSON.
        """
        self.refusal = {"for": closing, "reason": reason, "errors": errors}

    cdef int limit_messages(self, size_t size) except -1:
        self.max_size = size
        self.max_packed = size + (size >> 8) + 1024
        return 0

    # Draining (wirefast.server.drain).

    def is_connected(self):
        """Whether the handshake is accepted and neither side has closed."""
        return self.state == OPEN

    def is_busy(self):
        """Whether messages wait for the application, or it works on one: it has waited for one, and does not now."""
        return self.state == OPEN and (self.ring_count > 0 or (self.waiter is not None and self.waiter.callback is None))

    def go_away(self, str reason not None, double seconds=10.0):
        """Send the peer elsewhere: 1012, or 503 before the handshake is accepted. Nothing is done after the end.

        Args:
            reason: of the close frame, such as ``retry=250``.
            seconds: for a peer that has not read all yet; 2 for one that has.
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

    # The handshake.

    def begin(self, Head head not None, bytes rest not None):
        """Take over a connection whose request head has been read.

        Args:
            head: an upgrade to ``websocket``, well formed or not.
            rest: the bytes behind it.
        """
        if rest:
            self.early = bytearray(rest)
        self.handshake(head)

    cdef int read_head(self, bytes data) except -1:
        """Read the head that an HTTP protocol of another make hands over; it comes whole, but for one in error."""
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
                self.settings.logger.warning("Exceeded concurrency limit.")
                raise Refused(503, "Service Unavailable")
        except Refused as exc:
            return self.refuse_request(exc)
        self.scope = self.make_scope()
        self.subprotocols = None
        return self.start_app()

    cdef int refuse_request(self, object refused) except -1:
        if self.request is not None:
            self.scope = self.make_scope()
            self.log_response(str(refused.status))
        lines = [*refused.lines, b"content-type: text/plain; charset=utf-8\r\n"]
        return self.refuse(refused.status, lines, refused.reason.encode())

    cdef dict make_scope(self):
        cdef Head request = self.request
        cdef str path = request.path.decode("ascii")
        self.mark = {}
        if "%" in path:
            path = unquote(path)
        return {
            "type": "websocket",
            "asgi": self.settings.asgi.copy(),
            "http_version": "1.1",
            "scheme": "wss" if asked(is_ssl, self.transport) else "ws",
            "server": address(self.transport, "sockname") or asked(get_local_addr, self.transport),
            "client": address(self.transport, "peername") or asked(get_remote_addr, self.transport),
            "root_path": self.settings.root_path,
            "path": self.settings.root_path + path,
            "raw_path": self.settings.raw_root_path + request.path,
            "query_string": request.query,
            "headers": request.headers,
            "subprotocols": self.subprotocols or [],
            "state": self.app_state.copy(),
            "extensions": {DENIAL_KEY: self.mark, EXTENSION_KEY: self},
        }

    cdef int start_app(self) except -1:
        cdef object loop = self.reactor.loop
        try:
            if self.settings.rewrite is not None:
                finish(self.settings.rewrite(self.scope, None, None))
            coroutine = self.settings.app(self.scope, AsgiReceive(self), AsgiSend(self))
        except Exception as exc:
            return self.app_ended(exc, None, False)
        if not iscoroutine(coroutine):
            coroutine = awaited(coroutine)
        if not self.settings.reset_contextvars:
            task = loop.create_task(coroutine)
        elif sys.version_info >= (3, 11):
            task = loop.create_task(coroutine, context=contextvars.Context())
        else:
            task = contextvars.Context().run(loop.create_task, coroutine)
        self.settings.server_state.tasks.add(task)
        task.add_done_callback(self.on_task_done)
        return 0

    cdef int log_response(self, str outcome) except -1:
        cdef dict scope = self.scope
        cdef object logger = self.settings.logger
        if self.settings.access_log and logger.isEnabledFor(20):
            client = scope["client"]
            path = quote(scope["path"])
            if scope["query_string"]:
                path = f"{path}?{hide_query(scope['query_string'].decode('ascii'))}"
            logger.info('%s - "WebSocket %s" %s', "%s:%d" % client if client else "", path, outcome)
        return 0

    cdef int accept(self, object subprotocol, object headers) except -1:
        cdef list lines
        cdef bytearray early
        cdef Deflate deflate = None
        if self.state != CONNECTING or self.denial_status:
            if self.state == CONNECTING:
                raise RuntimeError(
                    "Expected ASGI message 'websocket.http.response.body' but got 'websocket.accept'."
                )
            if self.state == OPEN:
                raise RuntimeError(
                    "Expected ASGI message 'websocket.send' or 'websocket.close', but got 'websocket.accept'."
                )
            return self.not_open("websocket.accept")
        lines = [switching_protocols(self.request)]
        if self.offers is not None and self.agree_to_deflate:
            deflate = negotiate(self.offers)
            if deflate is not None:
                lines.append(f"Sec-WebSocket-Extensions: {deflate.response}\r\n".encode())
        lines.append(self.settings.header_lines())
        for name, value in header_pairs(headers, "websocket.accept") if headers else ():
            if name.lower() in reserved_names:
                raise ValueError(f"header {name!r} is the server's to send")
            lines.append(header_line(name, value))
        if subprotocol is not None:
            lines.append(subprotocol_line(subprotocol))
        lines.append(b"\r\n")
        if self.is_gone():
            self.lost()
            raise self.gone()
        self.log_response("[accepted]")
        self.state = OPEN
        self.queue(b"".join(lines))
        self.request = None
        self.scope = None
        self.app_state = None
        self.offers = None
        self.refusal = None
        self.resume_reading()
        if deflate is not None:
            self.deflate = deflate
            self.allowed_rsv = FRAME_RSV1
        if self.state == OPEN:
            self.start_keepalive()
        if self.early is not None:
            early = self.early
            self.early = None
            self.feed(<uint8_t*> early, <size_t> len(early))
            if self.ring_count:
                # A task may wait for it since before the accept.
                self.wake()
        return 0

    cdef int close(self, int code, str reason) except -1:
        if self.state != CONNECTING:
            return Connection.close(self, code, reason)
        if self.denial_status:
            raise RuntimeError("Expected ASGI message 'websocket.http.response.body' but got 'websocket.close'.")
        answer = {"code": code, "reason": reason}
        # Where the reason is a list of errors as text, which is all that a close message can hold, the core says the
        # same here as it is. A middleware may have changed the reason meanwhile: that counts then.
        if self.refusal is not None and self.refusal.pop("for") == reason:
            answer.update(self.refusal)
        body = utf8(json.dumps(answer, ensure_ascii=False))
        self.app_closed = True
        self.log_response("403")
        return self.refuse(403, [b"content-type: application/json\r\n"], body)

    cdef object send_other(self, dict message):
        cdef str kind = message["type"]
        cdef list lines
        if self.state == OPEN:
            raise RuntimeError(f"Expected ASGI message 'websocket.send' or 'websocket.close', but got '{kind}'.")
        if self.state != CONNECTING:
            self.not_open(kind)
        if self.denial_status:
            if kind != "websocket.http.response.body":
                raise RuntimeError(f"Expected ASGI message 'websocket.http.response.body' but got '{kind}'.")
            body = message.get("body", b"")
            if not PyObject_CheckBuffer(body):
                raise TypeError(f'"body" of {kind} takes bytes, not {type(body).__name__}')
            self.denial_body.append(bytes(body))
            if not message.get("more_body", False):
                self.app_closed = True
                self.finish_denial()
            return None
        if kind != "websocket.http.response.start":
            self.not_open(kind)
        status = message["status"]
        if not isinstance(status, int):
            raise TypeError(f'"status" of {kind} takes an int, not {type(status).__name__}')
        if not 200 <= status < 600:
            raise RuntimeError("Invalid HTTP status code '%d' in response." % status)
        lines = []
        for name, value in header_pairs(message.get("headers") or (), kind):
            # The length is ours to say, and the connection ends with the response.
            if name.lower() not in (b"content-length", b"transfer-encoding", b"connection"):
                lines.append(header_line(name, value))
        self.denial_status = status
        self.denial_lines = lines
        self.denial_body = []
        self.log_response(str(status))
        return None

    cdef int finish_denial(self) except -1:
        return self.refuse(self.denial_status, self.denial_lines, b"".join(self.denial_body))

    cdef int refuse_text(self, int status, str text) except -1:
        return self.refuse(status, [b"content-type: text/plain; charset=utf-8\r\n"], text.encode())

    cdef int refuse(self, int status, list lines, bytes body) except -1:
        lines = [self.settings.header_lines(), *lines, b"connection: close\r\n"]
        if status not in (204, 304):
            lines.append(b"content-length: %d\r\n" % len(body))
        self.end = REFUSED_END
        self.state = CLOSED
        self.end_stream()
        self.request = None
        self.early = None
        self.queue(response(status, lines, body))
        self.close_transport()
        return self.wake()

    # The application's end.

    def on_task_done(self, task):
        self.settings.server_state.tasks.discard(task)
        if task.cancelled():
            self.app_ended(None, None, True)
        else:
            exc = task.exception()
            self.app_ended(exc, None if exc is not None else task.result(), False)

    def is_its_clients(self, exc):
        """Whether an exception is no error of the application: it says of this connection, or of none, what
        `is_clients` asks."""
        return is_clients(exc) and not is_anothers(exc, self.mark)

    cdef int app_ended(self, object exc, object result, bint cancelled) except -1:
        """Close whatever the application left open."""
        cdef int kind
        cdef object cause = exc if exc is None else only_cause(exc, self.is_its_clients)
        # Set by the core on an exception that the peer's data caused: close code and reason.
        cdef tuple peers_fault = getattr(cause, "wirefast_close", None)
        cdef bint failed = cause is not None and not self.is_its_clients(cause)
        if failed:
            peers_fault = None
        if peers_fault is not None and self.failing is None:
            self.log_fault(peers_fault[0], peers_fault[1])
        if failed:
            self.settings.logger.error("Exception in ASGI application\n", exc_info=exc)
        elif result is not None:
            self.settings.logger.error("ASGI callable should return None, but returned '%s'.", result)
            failed = True
        if self.state == CONNECTING:
            if self.denial_status:
                self.finish_denial()
            else:
                if exc is None and not cancelled:
                    self.settings.logger.error("ASGI callable returned without completing handshake.")
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
            # uvicorn has run out of patience, and is about to stop the loop.
            self.close_transport()
        self.scope = None
        return 0
