"""The outermost layer of an application with telemetry: a span, metrics and logs for each request and connection."""

from __future__ import annotations

import os
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry import context as contexts
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wirefast._core.secrets import is_secret
from wirefast.telemetry import config
from wirefast.telemetry._runtime import lifespan
from wirefast.telemetry.config import SCOPE_KEY, is_stand_in
from wirefast.telemetry.recording import Recording, exception_type, is_normal_end, recording_in, without_recording
from wirefast.telemetry.sockets import SocketSpans

# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ and .../http-spans/
_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_METHODS = frozenset("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE".split())
_SECRET_PARAMETERS = frozenset(
    {"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "X-Goog-Signature"}
)
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_NOTHING = (trace.NoOpTracerProvider, metrics.NoOpMeterProvider, _logs.NoOpLoggerProvider)


class ExceptionNotes:
    """ASGI middleware that notes an exception before the error response is made."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3)."""
        try:
            await self.app(scope, receive, send)
        except Exception as exc:
            if (recording := recording_in(scope)) is not None:
                recording.note_exception(exc)
            raise


class Telemetry:
    """An application with telemetry.

    Args:
        app: the middleware stack.
        settings: the complete configuration, of ``complete_config``.
    """

    def __init__(self, app: ASGIApp, settings: dict[str, Any]) -> None:
        self.app = app
        self.config = settings
        named = os.environ.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "").split(",")
        self.methods = frozenset(filter(None, map(str.strip, named))) or _METHODS
        self.legacy = _is_instrumented(app)
        self._tracer: tuple[Any, Any] = (None, None)
        self._meters: tuple[Any, Any, Any] = (None, None, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan (ASGI 3)."""
        if scope["type"] == "lifespan":
            await lifespan(config=self.config, app=self.app, scope=scope, receive=receive, send=send)
            return
        if scope["type"] not in ("http", "websocket") or SCOPE_KEY in scope:
            await self.app(scope, receive, send)
            return
        exclude = self.config["exclude"]
        if exclude is not None and exclude(scope):
            scope[SCOPE_KEY] = None  # for applications mounted here
            token = contexts.attach(without_recording())
            try:
                await self.app(scope, receive, send)
            finally:
                scope.pop(SCOPE_KEY, None)
                contexts.detach(token)
            return
        tracers = self._provider("tracing", "tracer_provider", trace.get_tracer_provider)
        meters = self._provider("metrics", "meter_provider", metrics.get_meter_provider)
        loggers = self._provider("logs", "logger_provider", _logs.get_logger_provider)
        if scope["type"] == "websocket":
            meters = None
        if tracers is None and meters is None and loggers is None:
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, tracers, meters, loggers)
        await exchange.serve(receive, send)

    def _provider(self, signal: str, name: str, current: Any) -> Any:
        """Return the provider of a signal, None if the signal is off or has no destination."""
        if not self.config[signal] or self.legacy:
            return None
        provider = self.config[name]
        if provider is None:
            provider = current()
            if is_stand_in(provider):
                return None
        return None if isinstance(provider, _NOTHING) else provider

    def tracer(self, provider: Any) -> Any:
        """Return the tracer of a provider; made once."""
        known, tracer = self._tracer
        if known is not provider:
            tracer = provider.get_tracer(*config.instrumentation, schema_url=_SCHEMA)
            self._tracer = (provider, tracer)
        return tracer

    def instruments(self, provider: Any) -> tuple[Any, Any]:
        """Return the histogram of durations and the counter of active requests."""
        known, duration, active = self._meters
        if known is not provider:
            meter = provider.get_meter(*config.instrumentation, schema_url=_SCHEMA)
            duration = meter.create_histogram(
                "http.server.request.duration",
                unit="s",
                description="Duration of HTTP server requests.",
                explicit_bucket_boundaries_advisory=_BOUNDARIES,
            )
            active = meter.create_up_down_counter(
                "http.server.active_requests", unit="{request}", description="Number of active HTTP server requests."
            )
            self._meters = (provider, duration, active)
        return duration, active


class _Exchange:
    """One request or connection, from start to end."""

    def __init__(self, telemetry: Telemetry, scope: Scope, tracers: Any, meters: Any, loggers: Any) -> None:
        self.telemetry = telemetry
        self.scope = scope
        self.is_socket = scope["type"] == "websocket"
        given = scope.get("method", "")
        method = given if given in telemetry.methods else "_OTHER"
        self.attributes: dict[str, Any] = {"url.scheme": scope.get("scheme", "ws" if self.is_socket else "http")}
        if self.is_socket:
            self.attributes["network.protocol.name"] = "websocket"
        else:
            self.attributes["http.request.method"] = method
        self.while_active = dict(self.attributes)
        if not self.is_socket and scope.get("http_version"):
            self.attributes["network.protocol.version"] = scope["http_version"]
        self.duration: Any = None
        self.active: Any = None
        if meters is not None:
            self.duration, self.active = telemetry.instruments(meters)
        self.parent = contexts.get_current()
        span = tracer = None
        name = "WS" if self.is_socket else "HTTP" if method == "_OTHER" else method
        if tracers is not None:
            self.parent = propagate.extract(Headers(scope=scope), getter=_HEADERS)
            tracer = telemetry.tracer(tracers)
            attributes = {**self.attributes, **_server(scope), **({} if self.is_socket else _url(scope))}
            if not self.is_socket and given != method:
                attributes["http.request.method_original"] = given
            span = tracer.start_span(name, context=self.parent, kind=SpanKind.SERVER, attributes=attributes)
        logger = None
        if loggers is not None:
            named, version = config.instrumentation
            logger = _logs.get_logger(named, version or "", loggers, schema_url=_SCHEMA)
        token = contexts.attach(self.parent)
        try:
            short = self.is_socket and telemetry.config["socket_spans"] == "handshake"
            operations = tracer if telemetry.config["operation_spans"] and not short else None
            self.recording = Recording(scope, span, operations, logger, name)
        finally:
            contexts.detach(token)
        self.span = span
        self.tracer = tracer if short else None
        self.messages: SocketSpans | None = None
        self.status: int | None = None
        self.trailers = self.finished = self.disconnected = False
        self.started = perf_counter()
        self.receive: Any = None
        self.send: Any = None

    async def serve(self, receive: Receive, send: Send) -> None:
        self.receive, self.send = receive, send
        scope, recording = self.scope, self.recording
        if self.active is not None:
            self.active.add(1, self.while_active)
        scope[SCOPE_KEY] = recording
        token = contexts.attach(recording.context)
        try:
            if self.tracer is not None:
                share = self.telemetry.config["message_share"]
                self.messages = messages = SocketSpans(self, self.tracer, share, receive, send)
                await self.telemetry.app(scope, messages.receive, messages.send)
            elif self.is_socket:
                await self.telemetry.app(scope, receive, send)
            else:
                await self.telemetry.app(scope, self._receive, self._send)
        except BaseException as exc:
            if self.messages is not None:
                self.messages.end(None if is_normal_end(exc) else exc)
            recording.close(exc)  # so that the log record belongs to the server's span
            recording.note_exception(exc)
            self.finish(None if self.is_socket and is_normal_end(exc) else exc)
            raise
        finally:
            if self.messages is not None:
                self.messages.end(None)
            if self.is_socket:
                self.finish(None)
            else:
                gone = ConnectionError("Client disconnected")
                self.finish(gone if self.disconnected else RuntimeError("Incomplete ASGI response"))
            recording.forget()
            scope.pop(SCOPE_KEY, None)
            contexts.detach(token)

    async def _receive(self) -> Message:
        message: Message = await self.receive()
        if message["type"] == "http.disconnect":
            self.disconnected = True
        return message

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self.trailers = message.get("trailers", False)
        await self.send(message)
        if (
            (kind == "http.response.body" and not message.get("more_body", False) and not self.trailers)
            or (kind == "http.response.trailers" and not message.get("more_trailers", False))
            or kind == "http.response.pathsend"
        ):
            self.finish(None)

    def finish(self, error: BaseException | None) -> None:
        """End the span and count the request, once."""
        if self.finished:
            return
        self.finished = True
        recording, attributes = self.recording, self.attributes
        if error is not None or self.is_socket:
            recording.close(error)
        recording.note_route()
        if recording.route is not None:
            attributes["http.route"] = recording.route
        if self.status is not None:
            attributes["http.response.status_code"] = self.status
        failed = error is not None or (not self.is_socket and (self.status is None or self.status >= 500))
        if failed:
            cause = error or (recording.exceptions[-1] if recording.exceptions else None)
            attributes["error.type"] = exception_type(cause) if cause else str(self.status or "incomplete_response")
        if self.span is not None:
            self.span.set_attributes(attributes)
            if failed:
                self.span.set_status(StatusCode.ERROR)
        if self.duration is not None:
            # The span is the current one, for exemplars.
            self.duration.record(max(0.0, perf_counter() - self.started), attributes, recording.context)
        if self.active is not None:
            self.active.add(-1, self.while_active)
        if self.span is not None:
            self.span.end()


class _HeadersGetter(Getter[Headers]):
    def get(self, carrier: Headers, key: str) -> list[str] | None:
        values = carrier.getlist(key)
        # The propagator of baggage reads only the first value.
        return [",".join(values)] if values and key.lower() == "baggage" else values or None

    def keys(self, carrier: Headers) -> list[str]:
        return carrier.keys()


_HEADERS = _HeadersGetter()


def _server(scope: Scope) -> dict[str, Any]:
    """``server.address`` and ``server.port``, as the client names them; nothing if its Host is malformed."""
    host = Headers(scope=scope).get("host")
    if host is None:
        address, port = scope.get("server") or (None, None)
    else:
        try:
            url = urlsplit(f"//{host}")
            address, port = url.hostname, url.port
        except ValueError:
            return {}
        if url.username is not None or url.path or url.query or url.fragment:
            return {}
        if port is None:
            port = _PORTS.get(scope.get("scheme", "http"))
    found = {"server.address": address, "server.port": port}
    return {} if address is None else {name: value for name, value in found.items() if value is not None}


def _url(scope: Scope) -> dict[str, Any]:
    """``url.path`` and ``url.query``, the latter without known secrets."""
    found = {"url.path": scope["path"]}
    if query := scope.get("query_string"):
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        found["url.query"] = urlencode(
            [(key, "REDACTED" if is_secret(key) or key in _SECRET_PARAMETERS else value) for key, value in pairs]
        )
    return found


def _is_instrumented(stack: Any) -> bool:
    """Return whether a stack has OpenTelemetry's own middleware already, so that only that one records."""
    seen: set[int] = set()
    while stack is not None and id(stack) not in seen:
        seen.add(id(stack))
        if type(stack).__module__ == "opentelemetry.instrumentation.asgi":
            return True
        stack = getattr(stack, "app", None) or getattr(stack, "other_protocols", None)
    return False
