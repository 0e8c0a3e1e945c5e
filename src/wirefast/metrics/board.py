"""The Grafana board, made of the list of metrics: ``python -m wirefast.metrics.board > board.json``."""

from __future__ import annotations

import json
import sys
from typing import Any

from wirefast.metrics.catalogue import METRICS, Metric

__all__ = ["board"]

#: Grafana's grid: columns, and the size of a panel.
COLUMNS, WIDTH, HEIGHT = 24, 8, 8
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def board() -> dict[str, Any]:
    """Return the board: a row for each group, a panel for each metric."""
    panels: list[dict[str, Any]] = []
    y = 0
    for group in dict.fromkeys(metric.group for metric in METRICS):
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": group,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            }
        )
        y += 1
        x = 0
        for metric in METRICS:
            if metric.group != group:
                continue
            if x + WIDTH > COLUMNS:
                x, y = 0, y + HEIGHT
            panels.append(_panel(metric, len(panels) + 1, x, y))
            x += WIDTH
        y += HEIGHT
    return {
        "title": "wirefast",
        "uid": "wirefast",
        "tags": ["wirefast"],
        "schemaVersion": 39,
        "timezone": "",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                {
                    "name": "instance",
                    "type": "query",
                    "datasource": SOURCE,
                    "query": "label_values(wirefast_workers, instance)",
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": panels,
    }


def _panel(metric: Metric, number: int, x: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": metric.name.removeprefix("wirefast_").removesuffix("_total").replace("_", " "),
        "description": metric.text,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": metric.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(_queries(metric))
        ],
    }


def _queries(metric: Metric) -> list[tuple[str, str]]:
    """Return what a panel asks Prometheus, each with the name of its lines."""
    where = '{instance=~"$instance"}'
    legend = " ".join("{{" + label + "}}" for label in metric.labels)
    by = f" by ({', '.join(metric.labels)})" if metric.labels else ""
    if metric.kind == "histogram":
        within = ", ".join(("le", *metric.labels))
        rate = f"sum by ({within}) (rate({metric.name}_bucket{where}[$__rate_interval]))"
        return [(f"histogram_quantile({part}, {rate})", f"{legend} p{part:.0%}".strip()) for part in (0.5, 0.99)]
    if metric.kind == "counter":
        return [(f"sum{by} (rate({metric.name}{where}[$__rate_interval]))", legend or "all")]
    return [(f"{metric.merge}{by} ({metric.name}{where})", legend or "all")]


def main() -> None:
    """Write the board to the standard output."""
    json.dump(board(), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
