"""The settings of an application's telemetry, and the data of a connection for processors. Needs no OpenTelemetry."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from starlette.requests import Request
from starlette.websockets import WebSocket
from typing_extensions import TypedDict

from wirefast._core import scope as keys
from wirefast.extras import how_to_install

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["TelemetryConfig", "TelemetryData", "complete_config", "get_telemetry_data"]

#: The key of a recording in its scope; FastAPI's key, so that applications of both may be mounted in each other.
SCOPE_KEY = keys.TELEMETRY

_DEFAULTS: dict[str, Any] = {
    "tracer_provider": None,
    "meter_provider": None,
    "logger_provider": None,
    "tracing": True,
    "metrics": True,
    "logs": True,
    "operation_spans": True,
    "auto_configure": False,
    "exclude": None,
    "socket_spans": "connection",
    "message_share": 0.01,
}
_STAND_INS = {"ProxyTracerProvider", "_ProxyMeterProvider", "ProxyLoggerProvider"}
#: Name and version of the recording library, for OpenTelemetry's scopes.
instrumentation: tuple[str, str | None] = ("wirefast", None)
#: The settings of an application without given ones; None: off.
_by_default: dict[str, Any] | None = None


class TelemetryConfig(TypedDict, total=False):
    """The settings of ``App(telemetry={...})``, each optional. FastAPI's class of this name.

    Attributes:
        tracer_provider, meter_provider, logger_provider: used in place of OpenTelemetry's global ones.
        tracing: a span for each request and each WebSocket connection. Default True.
        metrics: duration and number of HTTP requests. Default True.
        logs: records of failed validation and of exceptions that nothing handled. Default True.
        operation_spans: spans for dependencies, endpoint, serialisation and each background task. Default True.
        auto_configure: add OTLP exporters by OpenTelemetry's environment variables when the application starts.
            Default: False, unless ``FASTAPI_OTEL_AUTO_CONFIGURE`` is ``true``. Needs the extra ``opentelemetry``.
        exclude: ``(scope) -> bool``; True leaves that request or connection out.
        socket_spans: ``"connection"`` (default): one span for a socket, from its handshake to its end, as FastAPI.
            ``"handshake"``: a short span for the handshake, and spans for some messages, which are linked to it.
            wirefast only.
        message_share: the share of messages that ``"handshake"`` records, 0 to 1. Messages with a ``traceparent`` of
            their own are always recorded. Default 0.01. wirefast only.
    """

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    logger_provider: LoggerProvider | None
    tracing: bool
    metrics: bool
    logs: bool
    operation_spans: bool
    auto_configure: bool
    exclude: Callable[[MutableMapping[str, Any]], bool] | None
    socket_spans: Literal["connection", "handshake"]
    message_share: float


@dataclass(kw_only=True)
class TelemetryData:
    """The data of a request or connection while it is served. FastAPI's class of this name.

    Attributes:
        request, websocket: the connection, after its dependencies begin; the other attribute is None.
        body: the body that was read, before validation.
        values: the endpoint's arguments, after they are solved.
        errors: the errors of the validation of the input.
    """

    request: Request | None = None
    websocket: WebSocket | None = None
    body: Any = None
    values: dict[str, Any] | None = None
    errors: Sequence[Any] | None = None


def get_telemetry_data(context: Context | None = None) -> TelemetryData | None:
    """Return the data of the served connection, None outside of a connection or after its end. FastAPI's function.

    Args:
        context: OpenTelemetry's, such as that of a log record. Default: the current one.
    """
    from wirefast.telemetry.recording import recording_of  # only if telemetry is on

    recording = recording_of(context)
    return None if recording is None else recording.data


def follow_fastapi(version: str) -> None:
    """Let applications of this process record as FastAPI's do: by default, under its name and version.

    Without OpenTelemetry's API nothing is recorded.
    """
    global _by_default, instrumentation
    instrumentation = ("fastapi", version)
    if importlib.util.find_spec("opentelemetry") is not None:
        _by_default = {}


def config_of(given: Any) -> dict[str, Any] | None:
    """Return the whole configuration of an application, None for one without telemetry.

    Args:
        given: the argument of ``App(telemetry=...)``; None for the default of the process.

    Raises:
        TypeError, ImportError: see `complete_config`.
    """
    settings = _by_default if given is None else given
    return None if settings is None else complete_config(settings)


def is_stand_in(provider: Any) -> bool:
    """Return whether a provider is OpenTelemetry's default before a program sets one; there is no public way to ask."""
    kind = type(provider)
    return kind.__name__ in _STAND_INS and kind.__module__.startswith("opentelemetry.")


def complete_config(given: Any) -> dict[str, Any]:
    """Return the complete configuration for the argument of ``App(telemetry=...)``.

    Raises:
        TypeError: the argument is no mapping of known names.
        ValueError: another ``socket_spans``, or a ``message_share`` that is not between 0 and 1.
        ImportError: OpenTelemetry's API is not installed.
    """
    if not isinstance(given, dict):
        raise TypeError(f"telemetry takes a dict of settings, such as {{}}, or None, not {given!r}")
    unknown = sorted(set(given) - set(_DEFAULTS), key=str)
    if unknown:
        raise TypeError(f"telemetry has no setting {unknown[0]!r}; there are {', '.join(_DEFAULTS)}")
    if given.get("socket_spans", "connection") not in ("connection", "handshake"):
        raise ValueError(f'socket_spans takes "connection" or "handshake", not {given["socket_spans"]!r}')
    share = given.get("message_share", 0.0)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"message_share takes a number from 0 to 1, not {share!r}")
    by_environment = os.environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").strip().lower() == "true"
    config = {**_DEFAULTS, "auto_configure": by_environment, **given}
    try:
        import opentelemetry.context  # noqa: F401 - only if telemetry is on
    except ModuleNotFoundError as exc:
        raise ImportError(
            f"telemetry needs OpenTelemetry's API ({exc}): {how_to_install('telemetry')}, or leave telemetry out"
        ) from None
    return config
