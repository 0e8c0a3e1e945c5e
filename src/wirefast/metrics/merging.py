"""The numbers of several workers as those of one service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wirefast.metrics.catalogue import BY_NAME

__all__ = ["Snapshot", "lasting", "merged"]

#: name -> label values, joined by tabulators -> a number, or the numbers of a histogram.
Snapshot = dict[str, dict[str, Any]]


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return one snapshot of several: counters and histograms are added up, gauges are merged as their metric says.

    Args:
        snapshots: they are not changed.
    """
    total: Snapshot = {}
    for snapshot in snapshots:
        for name, series in snapshot.items():
            metric = BY_NAME.get(name)
            into = total.setdefault(name, {})
            for key, value in series.items():
                if key not in into:
                    into[key] = list(value) if isinstance(value, list) else value
                elif isinstance(value, list):
                    into[key] = [one + other for one, other in zip(into[key], value, strict=True)]
                elif metric is not None and metric.merge == "max":
                    into[key] = max(into[key], value)
                else:
                    into[key] += value
    return total


def lasting(snapshot: Snapshot) -> Snapshot:
    """Keep the counters and histograms of an ended process; drop its gauges."""
    return {name: series for name, series in snapshot.items() if name in BY_NAME and BY_NAME[name].kind != "gauge"}
