"""``HttpProtocol``: uvicorn's httptools protocol, bounded before the upgrade and quicker through it.

The first request of a connection is looked at before the HTTP parser is even built: an upgrade goes to the
WebSocket protocol as it came, without being parsed and written out again; anything else starts uvicorn's
own protocol, which serves it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wirefast.server.handshake import error_response, inspect_head
from wirefast.server.protocol import WebSocketProtocol

__all__ = ["HttpProtocol"]

#: Seconds from the connection (or, later, from a request's first byte) to the end of the request's head.
HEAD_TIMEOUT = 10.0
#: Bytes and number of headers of a later request on the same connection; the first is bounded by inspect_head.
HEAD_LIMIT = 65536
LINE_LIMIT = 8192
HEADERS_LIMIT = 100

REASONS = {
    408: "Request Timeout",
    414: "request line too long",
    431: "request headers too large",
}


class HeadTooLarge(Exception):
    """Stops the parser: the request was refused."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with limits (``--http wirefast.server:HttpProtocol``).

    A connection has 10 seconds for the whole head of its first request, silent or dripping; a line of a
    head may have 8 KiB, a head 64 KiB and 100 headers: 414 or 431 otherwise. With our WebSocketProtocol,
    upgrades are handed over directly.

    Args:
        config, server_state, app_state: uvicorn's, as in `WebSocketProtocol`.
    """

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        self.config = config
        self.server_state = server_state
        self.app_state = app_state
        self.loop = _loop or asyncio.get_running_loop()
        # What came of the first head, and where its last line begins.
        self.head = bytearray()
        self.line_start = 0
        self.head_timer: asyncio.TimerHandle | None = None
        # Whether uvicorn's protocol took over, and where it is in a request.
        self.serving = False
        self.in_head = False
        self.head_size = self.header_count = 0
        # Bytes that came since the read in which the head began, and the size of the read that is being parsed.
        self.head_bytes = self.read_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.server_state.connections.add(self)
        self.head_timer = self.loop.call_later(HEAD_TIMEOUT, self.head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_head_timer()
        if self.serving:
            super().connection_lost(exc)
        else:
            self.server_state.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self.serving:
            self.read_size = len(data)
            super().data_received(data)
            if self.in_head and not self.transport.is_closing():
                # The parser tells of a header when it has all of it.
                self.head_bytes += len(data)
                if self.head_bytes > HEAD_LIMIT:
                    self.refuse(431)
                elif self.head_timer is None:
                    self.head_timer = self.loop.call_later(HEAD_TIMEOUT, self.head_timed_out)
            return
        if self.transport.is_closing():
            return
        if self.head:
            end_of_line = data.rfind(b"\n")
            if end_of_line >= 0:
                self.line_start = len(self.head) + end_of_line + 1
            self.head += data
            if end_of_line < 0 and len(self.head) - self.line_start <= LINE_LIMIT:
                # Nothing to judge before the line ends or is too long: a head in single bytes is read a line at a
                # time, a hundred lines at most.
                return
            data = bytes(self.head)
        answer = inspect_head(data)
        if answer > 1:
            self.refuse(answer)
        elif answer == 1 and self.takes_upgrades():
            self.upgrade(data)
        elif answer >= 0:
            self.serve(data)
        elif not self.head:
            self.head += data
            self.line_start = data.rfind(b"\n") + 1

    def takes_upgrades(self) -> bool:
        ws_protocol_class: Any = self.config.ws_protocol_class
        return isinstance(ws_protocol_class, type) and issubclass(ws_protocol_class, WebSocketProtocol)

    def upgrade(self, head: bytes) -> None:
        """Hand the connection over, with the bytes as they came."""
        self.stop_head_timer()
        self.head.clear()
        self.server_state.connections.discard(self)
        ws_protocol_class: Any = self.config.ws_protocol_class
        protocol = ws_protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.app_state, _loop=self.loop
        )
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(head)

    def serve(self, head: bytes) -> None:
        """Become uvicorn's protocol."""
        self.stop_head_timer()
        self.head.clear()
        transport = self.transport  # which uvicorn's constructor clears
        super().__init__(self.config, self.server_state, self.app_state, self.loop)
        self.serving = True
        super().connection_made(transport)
        self.data_received(head)

    def refuse(self, status: int) -> None:
        self.stop_head_timer()
        self.transport.write(error_response(status, REASONS[status], self.server_state.default_headers))
        self.transport.close()

    def head_timed_out(self) -> None:
        self.head_timer = None
        if self.head or self.serving:
            self.refuse(408)
        else:
            self.transport.close()

    def stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    # The parser's callbacks, for the limits of later requests.

    def on_message_begin(self) -> None:
        self.in_head = True
        self.head_size = self.header_count = 0
        self.head_bytes = -self.read_size
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self.count(len(url), 414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.header_count += 1
        self.count(len(name) + len(value) + 4, 431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.in_head = False
        self.stop_head_timer()
        super().on_headers_complete()

    def count(self, size: int, status: int) -> None:
        self.head_size += size
        if size > LINE_LIMIT or self.head_size > HEAD_LIMIT or self.header_count > HEADERS_LIMIT:
            self.refuse(status)
            raise HeadTooLarge

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def shutdown(self) -> None:
        if self.serving:
            super().shutdown()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        if self.serving:
            super().pause_writing()

    def resume_writing(self) -> None:
        if self.serving:
            super().resume_writing()
