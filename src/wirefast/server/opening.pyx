"""The answer to a handshake: accepted, refused, or a response of the application's own.

The methods of the ASGI extension `wirefast` are here too. An application calls them before it answers the handshake.
"""

import json
from urllib.parse import quote

from cpython.buffer cimport PyObject_CheckBuffer
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast._core.close cimport CLOSE_ABNORMAL, CLOSE_NORMAL
from wirefast.server.connection cimport Connection
from wirefast.server.csrc cimport FRAME_RSV1
from wirefast.server.deflate cimport WINDOW_BITS, Deflate, negotiate
from wirefast.server.handshake cimport subprotocol_line, switching_protocols
from wirefast.server.lazy_scope cimport LazyScope
from wirefast.server.outgoing cimport CLOSED, CONNECTING, OPEN
from wirefast.server.responses cimport header_line, header_pairs, response

from wirefast._core.secrets import hide_query
from wirefast._core.unicode import utf8
from wirefast._core import unrouted
from wirefast.server.log_lines import members_of
from wirefast.server.reasons import as_members, close_line, denial_line
from wirefast.server import request_ids

# The headers of a 101 response that only the server may send.
cdef frozenset reserved_names = frozenset((
    b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-version",
    b"content-length", b"transfer-encoding",
))

# The end of a refused connection: it has no close frame, so no code and no reason.
cdef tuple REFUSED_END = (CLOSE_ABNORMAL, None)


cdef class Opening(Connection):
    cdef LazyScope make_scope(self):
        raise NotImplementedError

    # ---- The extension `wirefast`, until the handshake is answered ----

    def configure(self, *, per_message_deflate=None, max_size=None, send_timeout=None):
        """Set options of this connection, which replace the server's settings.

        Args:
            per_message_deflate: whether the server agrees to permessage-deflate (RFC 7692) if the client offers it.
                Default: ``ws_per_message_deflate``.
            max_size: the most bytes of a message from the client. A larger message ends the connection with 1009. A bound
                above ``ws_max_size`` has no effect. Default: ``ws_max_size``.
            send_timeout: seconds that a send may wait for the peer to read. After that time the connection ends with 1013
                and a line in the log. Default: no limit.

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
        # The copy of a scope describes the same connection.
        return self

    def explain_refusal(self, str closing not None, str reason not None, list errors not None):
        """Set the body of a 403 for a close reason that is a list of errors as text.

        Args:
            closing: the reason that ``websocket.close`` will have. If a middleware sets another reason, the server does
                not use this explanation.
            reason: the same errors in words.
            errors: the same errors as values of JSON.
        """
        self.refusal = {"for": closing, "reason": reason, "errors": errors}

    cdef int limit_messages(self, size_t size) except -1:
        self.max_size = size
        self.max_packed = size + (size >> 8) + 1024
        return 0

    # ---- The three answers ----

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
            self.takes_packed = deflate.out_bits == WINDOW_BITS
            self.allowed_rsv = FRAME_RSV1
        if self.state == OPEN:
            self.start_keepalive()
        if self.early is not None:
            early = self.early
            self.early = None
            self.feed(<uint8_t*> early, <size_t> len(early))
            if self.ring_count:
                # A task may already wait for these messages.
                self.wake()
        return 0

    cdef int close(self, int code, str reason) except -1:
        if self.state != CONNECTING:
            return Connection.close(self, code, reason)
        if self.denial_status:
            raise RuntimeError("Expected ASGI message 'websocket.http.response.body' but got 'websocket.close'.")
        if code == CLOSE_NORMAL and not reason and (missing := unrouted.missing_route(self.scope)) is not None:
            # FastAPI's router closes the socket in the same way as an endpoint without a reason. A client would take that
            # for a refusal that never changes.
            self.app_closed = True
            self.log_response(f"404 ({missing})")
            body = utf8(json.dumps({"code": code, "reason": unrouted.NO_ROUTE}))
            return self.refuse(404, [b"content-type: application/json\r\n"], body)
        answer = {"code": code, "reason": reason}
        # A close message can hold a list of errors only as text, so the core gives the list itself to explain_refusal.
        # If a middleware has changed the reason since, the new reason counts.
        if self.refusal is not None and self.refusal.pop("for") == reason:
            answer.update(self.refusal)
        body = utf8(json.dumps(answer, ensure_ascii=False))
        self.app_closed = True
        self.log_response(close_line(code, reason, answer.get("errors")))
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
            # The server sets the length, and the connection ends with the response.
            if name.lower() not in (b"content-length", b"transfer-encoding", b"connection"):
                lines.append(header_line(name, value))
        self.denial_status = status
        self.denial_lines = lines
        self.denial_body = []
        return None

    cdef int finish_denial(self) except -1:
        cdef bytes body = b"".join(self.denial_body)
        self.log_response(denial_line(self.denial_status, body))
        return self.refuse(self.denial_status, self.denial_lines, body)

    cdef int refuse_text(self, int status, str text) except -1:
        return self.refuse(status, [b"content-type: text/plain; charset=utf-8\r\n"], text.encode())

    cdef int refuse_request(self, object refused) except -1:
        if self.request is not None:
            if self.scope is None:
                self.scope = self.make_scope()
            self.log_response(f"{refused.status} ({refused.reason})")
        lines = [*refused.lines, b"content-type: text/plain; charset=utf-8\r\n"]
        return self.refuse(refused.status, lines, refused.reason.encode())

    cdef int refuse(self, int status, list lines, bytes body) except -1:
        lines = [self.settings.header_lines(), *lines, b"connection: close\r\n"]
        if status not in (204, 304):
            lines.append(b"content-length: %d\r\n" % len(body))
        self.end = REFUSED_END
        self.state = CLOSED
        self.end_stream()
        self.request = None
        self.early = None
        # The scope refers to this connection.
        self.scope = None
        self.queue(response(status, lines, body))
        self.close_transport()
        return self.wake()

    cdef int log_response(self, str outcome) except -1:
        cdef LazyScope scope = self.scope
        cdef object logger = self.settings.logger
        if self.settings.access_log and logger.isEnabledFor(20):
            client = scope["client"]
            path = quote(scope["path"])
            if scope["query_string"]:
                path = f"{path}?{hide_query(scope['query_string'].decode('ascii'))}"
            peer = "%s:%d" % client if client else ""
            extra = as_members(peer, path, outcome)
            if request_ids.KEY in scope:
                extra["request_id"] = scope[request_ids.KEY]
            logger.info('%s - "WebSocket %s" %s', peer, path, outcome, extra=extra)
        return 0

    cdef dict told(self):
        return members_of(self.scope, self.peer())
