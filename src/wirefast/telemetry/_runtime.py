"""Exporters from environment variables, for ``telemetry={"auto_configure": True}``. FastAPI's module of this name.

OpenTelemetry's variables say where each signal goes (``OTEL_EXPORTER_OTLP_ENDPOINT``, or that of one signal): OTLP as
protobuf over HTTP. Each provider gets one exporter. The exporter is flushed when an application stops, since the worker
may end right after, and closed when the process ends. Providers of the program are never closed.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import Any
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from opentelemetry import _logs, metrics, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wirefast.exceptions import FastAPIError
from wirefast.logger import logger
from wirefast.telemetry.config import is_stand_in

_lock = RLock()
#: The providers, processors and readers that this module made, and so flushes and closes.
_owned: list[Any] = []
#: Each signal with a provider that has an exporter of ours.
_configured: list[tuple[str, Any]] = []

_ENDS = ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed")
_OWN_EXPORTERS = "set the exporters up in the program, with auto_configure False"


@dataclass(frozen=True)
class _Signal:
    """One of OpenTelemetry's three signals.

    Attributes:
        name: as it stands in the names of variables.
        kind: the kind of its provider, in small letters.
        register: the method of a provider that adds an exporter's component.
    """

    name: str
    kind: str
    register: str

    @property
    def setting(self) -> str:
        return {"TRACES": "tracing"}.get(self.name, self.name.lower())


_SIGNALS = (
    _Signal("TRACES", "tracer", "add_span_processor"),
    _Signal("METRICS", "meter", "add_metric_reader"),
    _Signal("LOGS", "logger", "add_log_record_processor"),
)


def _variable(name: str) -> str:
    """Return the value of an environment variable; an empty one counts as not set."""
    return os.environ.get(name, "").strip()


def _export_endpoint(signal: str) -> str | None:
    """Return the URL that a signal is sent to, None if it is not sent.

    Args:
        signal: ``TRACES``, ``METRICS`` or ``LOGS``.

    Raises:
        FastAPIError: the variables ask for another exporter or protocol, or name no URL of HTTP.
    """
    own, general = _variable(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"), _variable("OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter = _variable(f"OTEL_{signal}_EXPORTER").lower() or "otlp"
    if exporter == "none" or not (own or general):
        return None
    endpoint = own or f"{general.removesuffix('/')}/v1/{signal.lower()}"
    if exporter != "otlp":
        raise FastAPIError(
            f"auto_configure takes OTEL_{signal}_EXPORTER=otlp or none, not {exporter}: {_OWN_EXPORTERS}"
        )
    variables = (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next(filter(None, map(_variable, variables)), "http/protobuf")
    if protocol != "http/protobuf":
        raise FastAPIError(f"auto_configure sends OTLP as http/protobuf, not {protocol}: {_OWN_EXPORTERS}")
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise FastAPIError(f"the OTLP endpoint of {signal.lower()} must be an absolute HTTP or HTTPS URL: {endpoint!r}")
    return endpoint


def _registration_provider(provider: Any) -> Any:
    """Return the provider that takes a component: Logfire's wrapper of meters hides it."""
    kind = type(provider)
    wraps = (kind.__module__, kind.__name__) == ("logfire._internal.metrics", "ProxyMeterProvider")
    return provider.provider if wraps and not hasattr(provider, "add_metric_reader") else provider


def _component(signal: str, endpoint: str) -> Any:
    """Return the component of OpenTelemetry's SDK that gives one signal to an exporter."""
    if signal == "TRACES":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # only if telemetry is on
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
    if signal == "METRICS":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # only if telemetry is on
            OTLPMetricExporter,
        )  # only if telemetry is on
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # only if telemetry is on

        return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # only if telemetry is on
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    return BatchLogRecordProcessor(OTLPLogExporter(endpoint=endpoint))


def _new_provider(signal: str, component: Any) -> Any:
    """Return a provider of the SDK with one component. This module closes it, not the SDK."""
    if signal == "METRICS":
        from opentelemetry.sdk.metrics import MeterProvider  # only if telemetry is on

        return MeterProvider(metric_readers=[component], shutdown_on_exit=False)
    provider: Any
    if signal == "TRACES":
        from opentelemetry.sdk.trace import TracerProvider  # only if telemetry is on

        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(component)
    else:
        from opentelemetry.sdk._logs import LoggerProvider  # only if telemetry is on

        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(component)
    return provider


def _configure_from_environment(config: dict[str, Any]) -> None:
    """Add the exporters of the environment variables to the providers of an application.

    Args:
        config: whole, of ``complete_config``.

    Raises:
        FastAPIError: the variables ask for what is not there, the SDK is missing, or a provider takes no exporter.
    """
    if not config["auto_configure"] or _variable("OTEL_SDK_DISABLED").lower() == "true":
        return
    with _lock:
        wanted = [signal for signal in _SIGNALS if config[signal.setting]]
        endpoints = [(signal, endpoint) for signal in wanted if (endpoint := _export_endpoint(signal.name)) is not None]
        for signal, endpoint in endpoints:
            try:
                _configure(signal, endpoint, config[f"{signal.kind}_provider"])
            except ImportError as exc:
                raise FastAPIError(
                    f"auto_configure needs OpenTelemetry's SDK and OTLP exporter ({exc}): install "
                    f"wirefast[opentelemetry], which has the packages of fastapi[opentelemetry], or {_OWN_EXPORTERS}"
                ) from exc


def _configure(signal: _Signal, endpoint: str, explicit: Any) -> None:
    api: Any = {"TRACES": trace, "METRICS": metrics, "LOGS": _logs}[signal.name]
    current: Callable[[], Any] = getattr(api, f"get_{signal.kind}_provider")
    provider = _registration_provider(current() if explicit is None else explicit)
    if any(name == signal.name and known is provider for name, known in _configured):
        return
    component = _component(signal.name, endpoint)
    if explicit is None and is_stand_in(provider):
        made = _new_provider(signal.name, component)
        getattr(api, f"set_{signal.kind}_provider")(made)
        if (found := current()) is made:
            _note(signal, made, made)
            return
        # Another component has set a provider first: its provider stays, and gets our exporter.
        made.shutdown()
        provider, component = _registration_provider(found), _component(signal.name, endpoint)
    register = getattr(provider, signal.register, None)
    try:
        if not callable(register):
            raise FastAPIError(
                f"the {signal.kind} provider {type(provider).__name__} does not support adding an OTLP exporter: "
                "set the export up by that provider, with auto_configure False"
            )
        register(component)
    except BaseException:
        component.shutdown()
        raise
    _note(signal, provider, component)


def _note(signal: _Signal, provider: Any, made: Any) -> None:
    _configured.append((signal.name, provider))
    _owned.append(made)


# ---- The end ----


def _each_owned(owned: tuple[Any, ...], method: str) -> None:
    for component in owned:
        try:
            getattr(component, method)()
        except Exception:
            logger.exception("FastAPI telemetry cleanup failed: %s.%s", type(component).__name__, method)


def _flush() -> None:
    """Send the waiting records. This may take as long as the exporter's timeout."""
    _each_owned(tuple(_owned), "force_flush")


def _shutdown() -> None:
    """Close what this module made, once."""
    with _lock:
        owned = tuple(_owned)
        _owned.clear()
    _each_owned(owned, "shutdown")


atexit.register(_shutdown)


async def lifespan(*, config: dict[str, Any], app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the lifespan of an application. Add exporters before its start, and send waiting records before its end is
    reported.

    An invalid configuration is one line in the log, and the service starts without telemetry.

    Args:
        config: whole, of ``complete_config``.
        app, scope, receive, send: of ASGI.
    """

    async def receive_and_configure() -> Message:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                _configure_from_environment(config)
            except Exception as exc:
                logger.warning("telemetry's auto_configure failed: %s", exc)
        return message

    async def flush_and_send(message: Message) -> None:
        if message["type"] in _ENDS and _owned:
            await run_sync(_flush)
        await send(message)

    await app(scope, receive_and_configure, flush_and_send)
