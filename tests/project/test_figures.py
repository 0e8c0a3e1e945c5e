"""What pages quote of the benchmarks is what benchmarks/results has, and no figure of a disturbed run."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="benchmarks.wire needs Linux")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.figures")


def cell(
    median: float, waited: float = 0.0, valid: bool = True, per_second: float = 1000.0, **more: Any
) -> dict[str, Any]:
    return {"median": median, "valid": valid, "server_waited": waited, "per_second": per_second, **more}


def write(folder: Path, processor: str, cells: dict[str, Any], date: str = "2026-11-29") -> Path:
    environment = {"processor": processor, "cores": 2, "date": date, "python": "CPython 3.11.7"}
    folder.mkdir()
    path = folder / "results.json"
    plan = {"rounds": 3, "seconds": 0.5}
    path.write_text(
        json.dumps(
            {"environment": environment, "plan": plan, "command": "python", "figures": {"echo-json-128B": cells}}
        )
    )
    return path


def test_the_pages_and_the_picture_say_what_the_runs_say() -> None:
    command = [sys.executable, "-m", "benchmarks.figures", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_front_page_has_no_ratio_of_its_own() -> None:
    """A figure beside FastAPI stands between the comments, where the test above compares it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    own = re.sub(r"<!-- figures: \w+ -->.*?<!-- end of figures -->", "", text, flags=re.DOTALL)
    assert own != text
    assert not re.findall(r"[\d.]+ (?:to [\d.]+ )?times|×\d", own)


def test_ranges_are_over_all_runs_and_processors(figures: Any, tmp_path: Path) -> None:
    ours, theirs = "wirefast", "fastapi/websockets-sansio"
    runs = [
        figures.read(
            write(tmp_path / "a", "Intel(R) Xeon(R) Processor @ 2 GHz", {ours: cell(6.0), theirs: cell(42.0)})
        ),
        figures.read(write(tmp_path / "b", "AMD EPYC", {ours: cell(10.0, kernel_share=0.375), theirs: cell(30.0)})),
    ]
    text = figures.headline(runs)
    assert text.startswith("Measured on Intel Xeon, 2 cores and AMD EPYC, 2 cores: FastAPI")
    assert "**at least 3.0 times** our CPU (at most 7.0) for a JSON echo" in text
    table = figures.processors(runs)
    assert "| 7.0 | – | – | not measured |" in table and "| 3.0 | – | – | 38% |" in table


@pytest.mark.parametrize("doubt", [{"waited": 0.2}, {"valid": False}])
def test_what_was_disturbed_is_not_quoted(figures: Any, tmp_path: Path, doubt: dict[str, Any]) -> None:
    cells = {"wirefast": cell(6.0), "fastapi/websockets-sansio": cell(42.0, **doubt), "picows": cell(9.0)}
    run = figures.read(write(tmp_path / "a", "AMD EPYC", cells))
    assert run.ratio("echo-json-128B", "fastapi/websockets-sansio") is None
    assert run.ratio("echo-json-128B", "picows") == 1.5


def test_the_picture_has_the_newest_run_of_each_processor(figures: Any, tmp_path: Path, monkeypatch: Any) -> None:
    for name, processor, date, rate in (
        ("a", "AMD EPYC", "2026-11-01", 1.0),
        ("b", "AMD EPYC", "2026-11-02", 2345.0),
        ("c", "Intel Xeon", "2026-10-01", 6789.0),
    ):
        write(tmp_path / name, processor, {"wirefast": cell(6.0, per_second=rate)}, date)
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    drawn = figures.draw(figures.groups(figures.all_runs()))
    assert "2,345" in drawn and "6,789" in drawn and "2026-11-01" not in drawn
    ElementTree.fromstring(drawn)
