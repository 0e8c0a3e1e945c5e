"""Providers of OpenTelemetry's SDK that keep what they get in memory."""

import types

import pytest


@pytest.fixture
def kept():
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs import export as log_export
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, reader, logs = InMemorySpanExporter(), InMemoryMetricReader(), log_export.InMemoryLogRecordExporter()
    tracers, meters, loggers = TracerProvider(), MeterProvider(metric_readers=[reader]), LoggerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    loggers.add_log_record_processor(log_export.SimpleLogRecordProcessor(logs))

    def points(name):
        data = reader.get_metrics_data()
        found = [] if data is None else data.resource_metrics
        metrics = [metric for one in found for scope in one.scope_metrics for metric in scope.metrics]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    yield types.SimpleNamespace(
        config={"tracer_provider": tracers, "meter_provider": meters, "logger_provider": loggers},
        spans=lambda: {span.name: span for span in spans.get_finished_spans()},
        every=spans.get_finished_spans,
        logs=lambda: [record.log_record for record in logs.get_finished_logs()],
        points=points,
    )
    tracers.shutdown()
    meters.shutdown()
    loggers.shutdown()
