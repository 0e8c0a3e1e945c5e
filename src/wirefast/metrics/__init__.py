"""Metrics: what a service counts of itself, for Prometheus.

``App(metrics="/metrics")`` or ``wirefast run --metrics-port`` turn them on. `counters` is what other modules write,
`catalogue` the list of all metrics, `exposition` Prometheus's formats.
"""

from wirefast.metrics.counters import Counter as Counter
from wirefast.metrics.counters import Histogram as Histogram
from wirefast.metrics.counters import is_on as is_on
from wirefast.metrics.counters import snapshot as snapshot
from wirefast.metrics.counters import turn_on as turn_on

__all__ = ["Counter", "Histogram", "is_on", "snapshot", "turn_on"]
