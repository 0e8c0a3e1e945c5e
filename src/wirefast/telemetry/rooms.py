"""Traces of messages to rooms, across processes with a broker or with the workers' relay.

A message that is published inside of a recorded span carries the ``traceparent`` of the span; each process that
delivers the message to members records a short span in that trace. The spans of a socket and of its endpoint do not
count: they last as long as the socket, and the trace would too.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wirefast.rooms.brokers.base import Deliver
from wirefast.rooms.envelope import trace_of
from wirefast.telemetry import config
from wirefast.telemetry.recording import recording_of

__all__ = ["RoomTraces"]

# Only hubs read these messages, so the format is fixed. Operators choose the format of the headers of requests.
_w3c = TraceContextTextMapPropagator()


class RoomTraces:
    """Carries traces between the hubs of several processes.

    Args:
        provider: makes the tracer; None for OpenTelemetry's global provider at the time of a message.
    """

    def __init__(self, provider: Any) -> None:
        self.provider = provider

    def current(self) -> str | None:
        """Return the ``traceparent`` of the current span, None for a span that messages do not follow."""
        span = trace.get_current_span()
        if not span.is_recording() or not span.get_span_context().trace_flags.sampled:
            return None
        recording = recording_of()
        if recording is not None and recording.lasts_with_socket(span):
            return None
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return carrier.get("traceparent")

    def delivering(self, deliver: Deliver, own: str) -> Deliver:
        """Return a function that delivers as ``deliver`` does, in a span if the payload has a trace.

        Args:
            deliver: the hub's.
            own: the id of that hub, which may get its own payloads from the broker.
        """
        ours = f'["{own}",'.encode()

        def traced(room: str, payload: bytes) -> None:
            parent = trace_of(payload)
            if parent is None or payload.startswith(ours):
                deliver(room, payload)
                return
            provider = trace.get_tracer_provider() if self.provider is None else self.provider
            tracer = provider.get_tracer(*config.instrumentation)
            with tracer.start_as_current_span(
                "room deliver",
                context=_w3c.extract({"traceparent": parent}, Context()),
                kind=SpanKind.CONSUMER,
                attributes={"messaging.system": "wirefast", "messaging.destination.name": room},
            ):
                deliver(room, payload)

        return traced
