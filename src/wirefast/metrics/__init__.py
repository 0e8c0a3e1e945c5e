"""Metrics: the counts of a service, for Prometheus.

``App(metrics="/metrics")`` or ``wirefast run --metrics-port`` turns them on. Other modules write to `counters`.
`catalogue` is the list of all metrics, `exposition` has Prometheus's formats.
"""

from wirefast.metrics.counters import Counter as Counter
from wirefast.metrics.counters import Histogram as Histogram
from wirefast.metrics.counters import is_on as is_on
from wirefast.metrics.counters import snapshot as snapshot
from wirefast.metrics.counters import turn_on as turn_on

__all__ = ["Counter", "Histogram", "is_on", "snapshot", "turn_on"]
