"""The recording of one request or connection: its span, its data, its operations, its errors."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode, Tracer
from starlette.exceptions import HTTPException, WebSocketException
from starlette.types import Scope
from starlette.websockets import WebSocketDisconnect

from wirefast._core.close import GOING_AWAY, NORMAL
from wirefast.exceptions import RequestValidationError, WebSocketRequestValidationError
from wirefast.telemetry.config import SCOPE_KEY, TelemetryData
from wirefast.telemetry.routes import route_of

_CONTEXT_KEY = contexts.create_key("wirefast.telemetry")
#: Exceptions that answer the client and are no failure of the program.
_ANSWERS = (HTTPException, RequestValidationError, WebSocketException, WebSocketRequestValidationError)


def exception_type(exc: BaseException) -> str:
    """Return the value of ``error.type`` for an exception."""
    kind = type(exc)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def is_normal_end(exc: BaseException | None) -> bool:
    """Return whether an exception only says that the peer of a socket closed normally (1000, 1001)."""
    return isinstance(exc, WebSocketDisconnect) and exc.code in (NORMAL, GOING_AWAY)


class Recording:
    """One request or connection.

    Args:
        scope: its scope.
        span: the server's span, None without tracing.
        tracer: for the operations within it, None without them.
        logger: None without logs.
        method: the first word of the span's name.
    """

    def __init__(self, scope: Scope, span: Span | None, tracer: Tracer | None, logger: Any, method: str) -> None:
        self.scope = scope
        self.span = span
        self.tracer = tracer
        self.logger = logger
        self.method = method
        self.data: TelemetryData | None = TelemetryData()
        self.exceptions: list[BaseException] = []
        self.route: str | None = None
        self.context = contexts.set_value(_CONTEXT_KEY, self)
        if span is not None:
            self.context = trace.set_span_in_context(span, self.context)
        self._begun: dict[str, Span] = {}
        self._path, self._root_path = scope.get("path", ""), scope.get("root_path", "")
        self._app = scope.get("app")

    # ---- The route ----

    def note_route(self, scope: Scope | None = None) -> None:
        """Write the chosen route into the span, if there is one.

        Args:
            scope: the scope after routing. Default: that of the connection.
        """
        if self.route is not None:
            return
        self.route = route_of(scope or self.scope, self._app, self._path, self._root_path)
        if self.route is not None and self.span is not None:
            self.span.set_attribute("http.route", self.route)
            self.span.update_name(f"{self.method} {self.route}")

    # ---- Operations ----

    def begin(self, name: str, function: Any = None) -> None:
        """Begin the span of an operation and make it the current one of this task or thread."""
        if self.tracer is None:
            return
        attributes = {}
        if function is not None:
            owner = function if hasattr(function, "__qualname__") else type(function)
            attributes["code.function.name"] = f"{owner.__module__}.{owner.__qualname__}"
        span = self.tracer.start_span(f"fastapi.{name}", context=self.context, attributes=attributes)
        self._begun[name] = span
        contexts.attach(trace.set_span_in_context(span, self.context))

    def end(self, name: str, exc: BaseException | None = None) -> None:
        """End an operation; the server's span becomes the current one again. No effect if the operation has not
        begun."""
        if (span := self._begun.pop(name, None)) is None:
            return
        answers = exc is None or is_normal_end(exc) or (name != "background_task" and isinstance(exc, _ANSWERS))
        if isinstance(exc, Exception) and not answers:
            span.set_attribute("error.type", exception_type(exc))
            span.set_status(StatusCode.ERROR)
        span.end()
        contexts.attach(self.context)

    def lasts_with_socket(self, span: Any) -> bool:
        """Return whether the connection is a socket and the span is that of the connection or of one of its
        operations."""
        return self.scope["type"] == "websocket" and (span is self.span or span in self._begun.values())

    # ---- Failures ----

    def note_invalid(self, exc: RequestValidationError | WebSocketRequestValidationError) -> None:
        """Note that the input of the client is not valid."""
        self.note_route()
        errors = exc.errors()
        if self.data is not None:
            self.data.errors = errors
            if isinstance(exc, RequestValidationError):
                self.data.body = exc.body
        attributes: dict[str, Any] = {"fastapi.validation.error_count": len(errors)}
        self._log("fastapi.validation.failed", SeverityNumber.WARN, "Request validation failed", attributes)

    def note_exception(self, exc: BaseException) -> None:
        """Note an unhandled exception, once."""
        is_socket = self.scope["type"] == "websocket"
        if (is_socket and is_normal_end(exc)) or any(known is exc for known in self.exceptions):
            return
        self.exceptions.append(exc)
        self.note_route()
        if isinstance(exc, Exception):
            self._log(
                "fastapi.websocket.exception" if is_socket else "http.server.request.exception",
                SeverityNumber.ERROR,
                f"Unhandled exception in FastAPI {'WebSocket connection' if is_socket else 'request'}",
                {},
                exception=exc,
            )

    def _log(self, event: str, severity: SeverityNumber, body: str, attributes: dict[str, Any], **options: Any) -> None:
        if self.logger is None:
            return
        if self.route is not None:
            attributes["http.route"] = self.route
        self.logger.emit(
            event_name=event,
            timestamp=time_ns(),
            severity_number=severity,
            severity_text=severity.name,
            body=body,
            attributes=attributes,
            **options,
        )

    # ---- The end ----

    def close(self, exc: BaseException | None) -> None:
        """End all operations that have not ended."""
        for name in list(self._begun):
            self.end(name, exc)

    def forget(self) -> None:
        """Drop the data of the connection, for contexts that outlive it."""
        self.data = None
        self.exceptions.clear()


def recording_of(context: Context | None = None) -> Recording | None:
    """Return the recording in a context of OpenTelemetry; None without one."""
    found = contexts.get_value(_CONTEXT_KEY, context)
    return found if isinstance(found, Recording) else None


def recording_in(scope: Scope) -> Recording | None:
    """Return the recording of a scope; None without one."""
    found = scope.get(SCOPE_KEY)
    return found if isinstance(found, Recording) else None


def without_recording() -> Context:
    """Return the current context without a recording."""
    return contexts.set_value(_CONTEXT_KEY, None)


Finish = Callable[[BaseException | None], None]
