"""``HttpProtocol``: HTTP/1.1 for uvicorn, one request at a time, and the way to our WebSocketProtocol.

A connection is always in one of these states. Each state ends by itself:

    state      the connection waits for                       the state ends by
    HEAD       the head of a request                          10 s (HEAD_TIMEOUT): 408, or a bare close
    IDLE       the first byte of the next request             --timeout-keep-alive
    REQUEST    the application's response                     the application; --timeout-body while that waits for bytes
    DISCARD    the rest of a body, after its response         --timeout-body
    LINGERING  the peer's end, after the last response        1 s (LINGER)
    CLOSING    the peer, until it has read all bytes          --timeout-body
    UPGRADED   nothing: a WebSocketProtocol has taken over    the WebSocketProtocol
    LOST       nothing                                        –

A request is read after the whole response to the one before it. Bytes that come earlier wait. After 64 KiB of them the
server stops reading the connection. So a refusal never stands in another response, and no request shares the connection
with an upgrade. uvicorn's cycle (`wirefast.server.cycle`) makes the responses.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from enum import Enum
from typing import Any
from urllib.parse import unquote

import uvicorn.logging
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, service_unavailable
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from wirefast.server.body import BodyReader
from wirefast.server.bounds import TIMEOUT_BODY
from wirefast.server.cycle import Cycle
from wirefast.server.flow import Flow, has_ended
from wirefast.server.head import Head, HeadReader
from wirefast.server.lazy_scope import sides
from wirefast.server.protocol import WebSocketProtocol
from wirefast.server.reasons import NO_WEBSOCKETS
from wirefast.server.refused import Refused
from wirefast.server.responses import refusal

__all__ = ["HttpProtocol"]

#: Seconds from the connection, or from a later request's first byte, to the end of the request's head.
HEAD_TIMEOUT = 10.0
#: Bytes of further requests that wait for the response before them. One read may pass the limit by its own size.
PIPELINE_LIMIT = 65536
#: Seconds between two checks whether the peer is still there, while the server does not read the connection.
LOOK_EVERY = 5.0
#: Seconds for the rest of a body and the peer's end, after the last response of a connection.
LINGER = 1.0

TRACE = uvicorn.logging.TRACE_LOG_LEVEL


class State(Enum):
    """The state of a connection; the module's docstring has a table of the states."""

    HEAD = "head"
    IDLE = "idle"
    REQUEST = "request"
    DISCARD = "discard"
    LINGERING = "lingering"
    CLOSING = "closing"
    UPGRADED = "upgraded"
    LOST = "lost"


# The members are globals, because `State.HEAD` is a slow call on Python 3.10 and 3.11.
HEAD, IDLE, REQUEST, DISCARD, LINGERING, CLOSING, UPGRADED, LOST = State


class HttpProtocol(asyncio.Protocol):
    """HTTP/1.1 with limits (``--http wirefast.server:HttpProtocol``).

    A connection has 10 seconds for the whole head of its first request, whether it sends nothing or sends slowly. A
    line of a head may have 8 KiB, a head 64 KiB and 100 headers; the answer to more is 414 or 431. A WebSocketProtocol
    of ours gets an upgrade as the head that was read. An upgrade to another protocol is ignored (RFC 9110 section 7.8).

    Args:
        config, server_state, app_state: uvicorn's, as in `WebSocketProtocol`.
    """

    # A connection that begins with an upgrade never sets these attributes, so class attributes save it memory.
    logger = logging.getLogger("uvicorn.error")
    transport: asyncio.Transport
    flow: Flow | None = None
    # Ends the states HEAD, IDLE, DISCARD, LINGERING and CLOSING.
    timer: asyncio.TimerHandle | None = None
    # The current request, the reader of its body, and the bytes that came behind it.
    cycle: Cycle | None = None
    body: BodyReader | None = None
    behind = b""
    behind_from = 0
    # While the application waits for bytes of the body: the timer, and the time since when no byte has come.
    body_timer: asyncio.TimerHandle | None = None
    body_progress = 0.0
    look_timer: asyncio.TimerHandle | None = None

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        if not config.loaded:
            config.load()
        self.config = config
        self.server_state = server_state
        self.app_state = app_state
        self.loop = _loop or asyncio.get_running_loop()
        self.state = HEAD
        self.reader: HeadReader | None = HeadReader()

    # ---- Asyncio's side ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.begin(transport, HEAD_TIMEOUT)

    def begin(self, transport: asyncio.Transport, seconds: float) -> None:
        """Take a connection. The head of its first request has to come within some seconds."""
        self.transport = transport
        self.server_state.connections.add(self)
        self.timer = self.loop.call_later(seconds, self.timed_out)
        if self.logger.isEnabledFor(TRACE):
            self.trace("HTTP connection made")

    def take_over(
        self, transport: asyncio.Transport, seconds: float, reader: HeadReader, found: Any, rest: bytes
    ) -> None:
        """Go on with a connection whose first bytes have been read (`wirefast.server.arrival`).

        Args:
            transport: the connection's transport.
            seconds: the time that is left for the head.
            reader: the reader that has read the first bytes.
            found: a `Head`, a `Refused`, or None while the head is not whole.
            rest: the bytes behind the head.
        """
        self.begin(transport, seconds)
        self.reader = reader
        try:
            if isinstance(found, Refused):
                raise found
            if found is not None and not self.take(found, rest, 0):
                self.read(rest, 0)
        except Refused as exc:
            self.refuse(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.enter(LOST)
        self.server_state.connections.discard(self)
        if self.logger.isEnabledFor(TRACE):
            self.trace("HTTP connection lost")
        self.stop_body_timer()
        if self.look_timer is not None:
            self.look_timer.cancel()
            self.look_timer = None
        self.behind = b""
        self.disconnect()
        if self.flow is not None:
            self.flow.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self.state is LINGERING:
            return
        try:
            self.read(data, 0)
        except Refused as exc:
            self.refuse(exc)

    def eof_received(self) -> bool | None:
        return None

    def pause_writing(self) -> None:
        if self.flow is not None:
            self.flow.pause_writing()

    def resume_writing(self) -> None:
        if self.flow is not None:
            self.flow.resume_writing()

    def shutdown(self) -> None:
        """End after the current response, because uvicorn stops."""
        if self.state is REQUEST and self.cycle is not None:
            self.cycle.keep_alive = False
        else:
            self.close()

    # ---- States ----

    def enter(self, state: State, seconds: float | None = None) -> None:
        """Go into a state. The state ends after some seconds, unless another event ends it before."""
        self.state = state
        if self.timer is not None:
            self.timer.cancel()
        self.timer = None if seconds is None else self.loop.call_later(seconds, self.timed_out)

    def timed_out(self) -> None:
        """End the connection, because no event has ended its state in time."""
        self.timer = None
        if self.state is CLOSING:
            self.transport.abort()
        elif self.state is HEAD and self.reader is not None and self.reader.started:
            self.refuse(Refused(408, "Request Timeout"))
        else:
            self.close()

    def close(self) -> None:
        """Close the connection once the peer has read all that is written."""
        self.transport.close()
        if self.state is not LOST:
            self.enter(CLOSING, self.body_seconds())

    def linger(self) -> None:
        """Close once the peer has ended its side, or after a second. Bytes that come until then are dropped.

        If bytes come after a close, the system sends a reset, which can overtake the answer (RFC 9112 section 9.6).
        """
        self.body = None
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.flow is not None:
            self.flow.held = False
            self.flow.resume_reading()
        self.enter(LINGERING, min(LINGER, self.body_seconds()))

    def body_seconds(self) -> float:
        """Seconds without progress that a body may take."""
        return float(getattr(self.config, "timeout_body", TIMEOUT_BODY))

    def trace(self, text: str) -> None:
        client = get_remote_addr(self.transport)
        self.logger.log(TRACE, "%s%s", f"{client[0]}:{client[1]} - " if client else "", text)

    # ---- Reading ----

    def read(self, data: bytes, at: int) -> None:
        """Read bytes, as far as the state allows."""
        while at < len(data):
            if self.body is not None:
                at = self.read_body(data, at)
            elif self.state is REQUEST:
                self.keep(data, at)
                return
            else:
                if self.reader is None:
                    raise AssertionError
                found = self.reader.read(data, at)
                if found is None:
                    if self.state is IDLE and self.reader.started:
                        self.enter(HEAD, HEAD_TIMEOUT)
                    return
                head, at = found
                if self.take(head, data, at):
                    return

    def take(self, head: Head, data: bytes, at: int) -> bool:
        """Serve a request, or hand its connection over to a WebSocket. Return whether a WebSocket has the connection.

        Args:
            head: the request's head.
            data: the bytes that were read, with the head or its end.
            at: the index of the first byte behind the head.
        """
        if head.is_upgrade and self.config.ws_protocol_class is not None:
            self.upgrade(head, data[at:])
            return True
        if head.offers_upgrade:
            self.logger.warning(NO_WEBSOCKETS if head.is_upgrade else "Unsupported upgrade request.")
        self.serve(head)
        return False

    def read_body(self, data: bytes, at: int) -> int:
        """Read the body of the current request. Return the index of the first byte behind the bytes that were read."""
        if not (self.body is not None and self.cycle is not None and self.flow is not None):
            raise AssertionError
        content, at = self.body.read(data, at)
        cycle, done = self.cycle, self.body.done
        if done:
            self.body = None
        if self.state is REQUEST:
            self.body_progress = self.loop.time()
            cycle.body += content
            if done:
                cycle.more_body = False
            elif len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            if content or done:
                cycle.message_event.set()
        elif done:
            self.await_request()
        return at

    def keep(self, data: bytes, at: int) -> None:
        """Keep the bytes that came behind the current request."""
        if self.flow is None:
            raise AssertionError
        if self.behind:
            self.behind, self.behind_from = self.behind[self.behind_from :] + data[at:], 0
        else:
            self.behind, self.behind_from = data, at
        if len(self.behind) - self.behind_from > PIPELINE_LIMIT and not self.flow.held:
            self.flow.pause_reading()
            self.flow.held = True
            self.look_timer = self.loop.call_later(LOOK_EVERY, self.look)

    def look(self) -> None:
        """End a connection that the server does not read, if its peer has ended it. No read would show that."""
        self.look_timer = None
        if self.flow is None or not self.flow.held or self.transport.is_closing():
            return
        if has_ended(self.transport):
            self.transport.abort()
        else:
            self.look_timer = self.loop.call_later(LOOK_EVERY, self.look)

    def refuse(self, refused: Refused) -> None:
        """Refuse bytes that cannot be read, and close. Write the answer only if no other response has begun."""
        answering = self.state is REQUEST and self.cycle is not None and self.cycle.response_started
        if not answering and self.state is not DISCARD:
            self.transport.write(refusal(refused, self.server_state.default_headers))
        if refused.status == 400:
            self.logger.warning("Invalid HTTP request received.")
        self.body = None
        self.disconnect()
        self.close()

    # ---- Requests ----

    def serve(self, head: Head) -> None:
        """Start the application for a request."""
        config, server_state = self.config, self.server_state
        if self.flow is None:
            self.flow = Flow(self.transport)
            self.server, self.client = sides(self.transport)
            self.scheme = "https" if is_ssl(self.transport) else "http"
            self.access_logger = logging.getLogger("uvicorn.access")
            self.access_log = self.access_logger.hasHandlers()
        path = head.path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": {"version": config.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1" if head.minor else "1.0",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": config.root_path,
            "headers": head.headers,
            "state": self.app_state.copy(),
            "method": head.method.decode("ascii"),
            "path": config.root_path + (unquote(path) if "%" in path else path),
            "raw_path": config.root_path.encode("ascii") + head.path,
            "query_string": head.query,
        }
        app, limit = self.application(head), config.limit_concurrency
        if limit is not None and (len(server_state.connections) >= limit or len(server_state.tasks) >= limit):
            self.logger.warning("Exceeded concurrency limit.")
            app = service_unavailable
        has_body = head.chunked or head.length > 0
        self.body = BodyReader(head) if has_body else None
        self.cycle = cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=head.expects_continue and has_body,
            keep_alive=bool(head.minor) and head.keep_alive,
            on_response=self.response_complete,
            on_wait=self.watch_body,
            on_end=self.request_ended,
        )
        self.reader = None
        self.enter(REQUEST)
        if not has_body:
            cycle.more_body = False
            cycle.message_event.set()
        coroutine = cycle.run_asgi(app)
        if not getattr(config, "reset_contextvars", False):
            task = self.loop.create_task(coroutine)
        elif sys.version_info >= (3, 11):
            task = self.loop.create_task(coroutine, context=contextvars.Context())
        else:
            task = contextvars.Context().run(self.loop.create_task, coroutine)
        server_state.tasks.add(task)
        task.add_done_callback(server_state.tasks.discard)

    def application(self, head: Head) -> Any:
        """Return the application that answers a request."""
        return self.config.loaded_app

    def disconnect(self) -> None:
        """Tell the application that the client is gone."""
        if self.cycle is not None:
            if not self.cycle.response_complete:
                self.cycle.disconnected = True
            self.cycle.message_event.set()

    def watch_body(self) -> None:
        """Start the timer of the body, because the application waits for bytes of it."""
        if self.body is not None:
            self.body_progress = self.loop.time()
            if self.body_timer is None:
                self.body_timer = self.loop.call_later(self.body_seconds(), self.body_timed_out)

    def body_timed_out(self) -> None:
        self.body_timer = None
        if self.body is None or self.state is not REQUEST or self.cycle is None or not self.cycle.awaits_body:
            return
        left = self.body_progress + self.body_seconds() - self.loop.time()
        if left > 0:
            self.body_timer = self.loop.call_later(left, self.body_timed_out)
        else:
            self.refuse(Refused(408, "Request Timeout"))

    def stop_body_timer(self) -> None:
        if self.body_timer is not None:
            self.body_timer.cancel()
            self.body_timer = None

    def response_complete(self) -> None:
        """Go on after a response: read the rest of the body, the bytes that came behind it, or the next request."""
        self.server_state.total_requests += 1
        self.stop_body_timer()
        if self.transport.is_closing():
            return
        if self.flow is None:
            raise AssertionError
        if self.cycle is not None and self.cycle.is_last:
            self.linger()
        elif self.body is not None:
            self.enter(DISCARD, self.body_seconds())
            self.flow.resume_reading()
        else:
            self.await_request()
            try:
                self.read_behind()
            except Refused as exc:
                self.refuse(exc)

    def request_ended(self) -> None:
        """Note that the application has returned. If it failed, the connection is closing."""
        if self.transport.is_closing() and self.state is REQUEST:
            self.enter(CLOSING, self.body_seconds())

    def await_request(self) -> None:
        """Wait for a further request."""
        self.reader = HeadReader()
        self.enter(IDLE, self.config.timeout_keep_alive)

    def read_behind(self) -> None:
        """Read the bytes that waited for the response."""
        if self.flow is None:
            raise AssertionError
        data, at = self.behind, self.behind_from
        self.behind, self.behind_from = b"", 0
        if data:
            self.read(data, at)
        if len(self.behind) - self.behind_from <= PIPELINE_LIMIT:
            self.flow.held = False
            self.flow.resume_reading()

    def upgrade(self, head: Head, rest: bytes) -> None:
        """Hand the connection over to a WebSocket protocol, with the bytes that came behind the head."""
        if head.chunked or head.length > 0:
            raise Refused(400, "a WebSocket handshake has no body")
        if self.logger.isEnabledFor(TRACE):
            self.trace("Upgrading to WebSocket")
        ws_protocol_class: Any = self.config.ws_protocol_class
        ours = isinstance(ws_protocol_class, type) and issubclass(ws_protocol_class, WebSocketProtocol)
        config, server_state, app_state = self.config, self.server_state, self.app_state
        protocol: Any
        if ours:
            protocol = ws_protocol_class(config=config, server_state=server_state, app_state=app_state, _loop=self.loop)
        else:
            protocol = ws_protocol_class(config=config, server_state=server_state, app_state=app_state)
        if self.flow is not None:
            self.flow.held = False
            self.flow.resume_reading()
            self.cycle = None
        self.enter(UPGRADED)
        self.reader = None
        server_state.connections.discard(self)
        protocol.connection_made(self.transport)
        if self.flow is not None and self.flow.write_paused:
            protocol.pause_writing()
        self.transport.set_protocol(protocol)
        if ours:
            protocol.begin(head, rest)
        else:
            target = head.path + (b"?" + head.query if head.query else b"")
            lines = [b"GET " + target + b" HTTP/1.1", *(name + b": " + value for name, value in head.headers), b"", b""]
            protocol.data_received(b"\r\n".join(lines) + rest)
