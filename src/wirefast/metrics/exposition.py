"""Prometheus's text and OpenMetrics, by ``prometheus-client`` (the extra ``metrics``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as PrometheusMetric
from prometheus_client.registry import Collector, CollectorRegistry

from wirefast.metrics.catalogue import METRICS, SECONDS, Metric
from wirefast.metrics.merging import Snapshot

__all__ = ["render"]


def render(snapshot: Snapshot, accept: str | None = None) -> tuple[bytes, str]:
    """Render the numbers of a service.

    Args:
        snapshot: the snapshot of all its workers.
        accept: the request's Accept header, which chooses between OpenMetrics and Prometheus's text.

    Returns:
        The response's body and its content type.
    """
    encode, content_type = choose_encoder(accept or "")
    registry = CollectorRegistry()
    registry.register(_Snapshot(snapshot))
    return encode(registry), content_type


class _Snapshot(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def describe(self) -> Iterable[PrometheusMetric]:
        return ()

    def collect(self) -> Iterator[PrometheusMetric]:
        for metric in METRICS:
            yield _family(metric, self.snapshot.get(metric.name, {}))


def _family(metric: Metric, series: dict[str, Any]) -> PrometheusMetric:
    made: Any
    if metric.kind == "counter":
        made = CounterMetricFamily(metric.name.removesuffix("_total"), metric.text, labels=metric.labels)
    elif metric.kind == "gauge":
        made = GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
    else:
        made = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
    for key, value in sorted(series.items()):
        labels = key.split("\t") if metric.labels else []
        if metric.kind == "histogram":
            counts = list(accumulate(value[:-1]))
            bounds = [*(f"{bound:g}" for bound in SECONDS), "+Inf"]
            made.add_metric(labels, list(zip(bounds, counts, strict=True)), value[-1])
        else:
            made.add_metric(labels, value)
    return made  # type: ignore[no-any-return]
