"""Spans for sockets that are open for days: a short span for the handshake, and linked spans for some messages.

With ``socket_spans="handshake"`` the server span ends when the handshake is answered. A share of the arriving messages
is recorded, each by a span in a trace of its own that *links* to the handshake's span: child spans would make one trace
that never ends. A message with a ``traceparent`` of its own (a member of a JSON object, in W3C's form) is always
recorded, in that trace.
"""

from __future__ import annotations

import json
import random
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.trace import Link, SpanKind, StatusCode
from starlette.types import Message, Receive, Send

__all__ = ["SocketSpans"]

#: The most bytes of a message that is searched for a ``traceparent``.
LOOK_WITHIN = 65536


class SocketSpans:
    """Records one socket.

    Args:
        exchange: the exchange of the connection; its span is that of the handshake.
        tracer: makes the spans of messages.
        share: the share of the messages that are recorded, 0 to 1.
        receive, send: ASGI's functions of the connection.
    """

    def __init__(self, exchange: Any, tracer: Any, share: float, receive: Receive, send: Send) -> None:
        self.exchange = exchange
        self.tracer = tracer
        self.share = share
        self._receive = receive
        self._send = send
        self._span: Any = None
        self._token: Any = None

    async def receive(self) -> Message:
        """Return the next message. The call ends the span of the previous message, which is handled then."""
        self.end(None)
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self._begin(message)
        return message

    async def send(self, message: Message) -> None:
        """Send; the handshake's answer ends its span."""
        await self._send(message)
        if message["type"] in ("websocket.accept", "websocket.close", "websocket.http.response.start"):
            self.exchange.finish(None)

    def _begin(self, message: Message) -> None:
        parent = _traceparent(message)
        if parent is None and random.random() >= self.share:
            return
        context = contexts.Context() if parent is None else propagate.extract({"traceparent": parent})
        text, data = message.get("text"), message.get("bytes")
        size = len(text) if text is not None else len(data or b"")
        route = self.exchange.recording.route
        self._span = self.tracer.start_span(
            "WS message" if route is None else f"WS message {route}",
            context=context,
            kind=SpanKind.CONSUMER,
            links=[Link(self.exchange.span.get_span_context())],
            attributes={
                "network.protocol.name": "websocket",
                "messaging.message.body.size": size,
                **({} if route is None else {"http.route": route}),
            },
        )
        self._token = contexts.attach(trace.set_span_in_context(self._span))

    def end(self, error: BaseException | None) -> None:
        """End the span of the current message, if there is one."""
        span, token = self._span, self._token
        if span is None:
            return
        self._span = self._token = None
        try:
            contexts.detach(token)
        finally:
            if error is not None:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__qualname__)
            span.end()


def _traceparent(message: Message) -> str | None:
    """Return the ``traceparent`` of a JSON object; None without one, or if it is no text."""
    text: Any = message.get("text")
    if text is None or '"traceparent"' not in text or len(text) > LOOK_WITHIN:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    parent = found.get("traceparent") if isinstance(found, dict) else None
    return parent if isinstance(parent, str) and len(parent) <= 256 else None
