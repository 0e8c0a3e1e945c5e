"""Prometheus's rules, by its own ``promtool`` where that is installed, and the board that is made of the list."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wirefast.metrics.board import board
from wirefast.metrics.catalogue import METRICS, code_label
from wirefast.metrics.exposition import render

ROOT = Path(__file__).parents[2]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
FULL = {
    metric.name: {"\t".join("x" for _ in metric.labels): [1, *[0] * 12, 2, 3.5] if metric.kind == "histogram" else 7}
    for metric in METRICS
}


def test_names_are_those_of_the_rules() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"wirefast_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.text.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is Debian's package prometheus")
def test_promtool_has_nothing_to_say() -> None:
    checked = subprocess.run(["promtool", "check", "metrics"], input=render(FULL)[0], capture_output=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_both_formats_have_every_metric() -> None:
    text, kind = render(FULL)
    assert kind.startswith("text/plain; version=")
    families = {family.name for family in text_string_to_metric_families(text.decode())}
    assert families == {metric.name.removesuffix("_total") for metric in METRICS}
    text, kind = render(FULL, OPENMETRICS)
    assert kind.startswith("application/openmetrics-text") and text.endswith(b"# EOF\n")


def test_a_histogram_is_added_up() -> None:
    text = render(FULL)[0].decode()
    assert 'wirefast_ping_seconds_bucket{le="0.001"} 1.0' in text
    assert 'wirefast_ping_seconds_bucket{le="+Inf"} 3.0' in text
    assert "wirefast_ping_seconds_count 3.0" in text and "wirefast_ping_seconds_sum 3.5" in text


@pytest.mark.parametrize(
    ("code", "label"),
    [(1000, "1000"), (1015, "1015"), (1016, "other"), (999, "other"), (3000, "library"), (4999, "private")],
)
def test_a_client_cannot_grow_the_codes(code: int, label: str) -> None:
    assert code_label(code) == label


def test_the_board_is_the_one_in_the_repository() -> None:
    stored = (ROOT / "examples" / "deployment" / "grafana-board.json").read_text(encoding="utf-8")
    assert json.loads(stored) == board(), "python -m wirefast.metrics.board > examples/deployment/grafana-board.json"


def test_the_board_has_a_panel_for_each_metric() -> None:
    made = board()
    panels = [panel for panel in made["panels"] if panel["type"] != "row"]
    asked = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    assert len(panels) == len(METRICS)
    for metric in METRICS:
        assert metric.name in asked
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)


def test_the_page_lists_every_metric() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text} |" in page
