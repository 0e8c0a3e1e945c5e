"""The benchmarks run, each once and untimed, and their tools read what they are given."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(monkeypatch):
    """Imports a module of ``benchmarks``, which lies beside the tests and is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def test_every_benchmark_runs_once():
    arguments = ["benchmarks", "-q", "--benchmark-disable", "-p", "no:cacheprovider"]
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stdout + process.stderr


def measurement(peer, median, iqr=0.0, units=10):
    extra = {"units": units, "step": "message", "case": "JSON", "peer": peer, "absent": ["litestar"]}
    return {"extra_info": extra, "stats": {"median": median, "iqr": iqr}}


def run(*benchmarks):
    machine = {"python_implementation": "CPython", "python_version": "3.13.0", "machine": "x86_64", "system": "Linux"}
    return {"machine_info": machine, "benchmarks": list(benchmarks)}


def test_report_of_one_run_has_the_spread_of_its_rounds(tool):
    report = tool("report")
    table = report.read([run(measurement("wirefast", 10e-6, 1e-6), measurement("fastapi", 80e-6, 2e-6))])
    assert report.markdown(table).splitlines()[-1] == (
        "| message | JSON | 1.00 ± 0.10 | 8.00 ± 0.20 (×8.00) | – | – | – |"
    )


def test_report_has_protocols_in_a_table_of_their_own(tool):
    report = tool("report")
    frames = [measurement("wirefast", 10e-6), measurement("wsproto", 90e-6)]
    for each in frames:
        each["extra_info"] |= {"step": "frames", "case": "in, 128 B"}
    first, second = report.markdown(report.read([run(measurement("wirefast", 10e-6), *frames)])).split("\n\n")
    assert "message" in first and "frames" not in first
    assert second.splitlines()[-1] == "| frames | in, 128 B | 1.00 ± 0.00 | – | 9.00 ± 0.00 (×9.00) | – | – |"


def test_report_of_several_runs_has_the_median_of_their_medians(tool):
    report = tool("report")
    runs = [run(measurement("wirefast", seconds), measurement("fastapi", 40e-6)) for seconds in (10e-6, 20e-6, 90e-6)]
    assert "| 2.00 ± 4.00 | 4.00 ± 0.00 (×2.00) |" in report.markdown(report.read(runs))
    assert "3 runs" in report.heading(runs) and "Absent peers: litestar." in report.heading(runs)


@pytest.mark.parametrize(("now", "found"), [(900, 0), (1_029, 0), (1_031, 1)])
def test_only_growth_past_three_percent_is_a_regression(tool, now, found):
    instructions = tool("instructions")
    baseline = {"connection": {"wirefast": 1_000.0, "fastapi": 9_000.0}}
    assert len(instructions.regressions({"connection": {"wirefast": now, "fastapi": 99_000.0}}, baseline)) == found


def test_baseline_has_every_scene(tool):
    instructions = tool("instructions")
    scenes = {name: set(names) - instructions.UNSAVED for name, names in instructions.SCENES.items()}
    for entry in instructions.load_baseline().values():
        assert {name: set(counts) - instructions.UNSAVED for name, counts in entry["counts"].items()} == scenes


def test_total_of_a_dump(tool, tmp_path):
    dump = tmp_path / "callgrind.out"
    dump.write_text("version: 1\ndesc: Trigger: Client Request: JSON message:1\nevents: Ir\nsummary: 1234567\n")
    assert tool("instructions").total(dump) == 1_234_567


def ratios_run(ours, **others):
    return run(measurement("wirefast", ours), *(measurement(name, value) for name, value in others.items()))


def test_ratios_are_the_medians_of_several_runs(tool):
    ratios = tool("ratios")
    runs = [ratios_run(10e-6, fastapi=value) for value in (80e-6, 60e-6, 10e-6)]
    assert ratios.of_runs(runs) == {"message: JSON": {"fastapi": 6.0}}


@pytest.mark.parametrize(("ours", "theirs", "found"), [(2e-6, 10e-6, 1), (3e-6, 1e-6, 0), (1e-6, 30e-6, 0)])
def test_ratios_of_costs_that_are_not_steady_are_left_out(tool, ours, theirs, found):
    one = run(measurement("wirefast", 10e-6, ours), measurement("fastapi", 80e-6, theirs))
    assert len(tool("ratios").of_runs([one])) == found


def test_ratios_of_the_wire_leave_out_what_is_invalid(tool):
    cells = {
        "wirefast": {"median": 10.0, "spread": 1.0, "valid": True},
        "fastapi/websockets": {"median": 40.0, "spread": 1.0, "valid": True},
        "raw": {"median": 5.0, "spread": 0.1, "valid": False},
    }
    found = tool("ratios").of_runs([{"figures": {"upgrade": cells}}])
    assert found == {"wire: upgrade": {"fastapi/websockets": 4.0}}


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ({"fastapi": 8.0, "floor": 0.9}, 0),
        ({"fastapi": 5.9, "floor": 0.9}, 0),  # FastAPI became faster, the floor says that we are what we were
        ({"fastapi": 6.1, "floor": 0.7}, 0),
        ({"fastapi": 5.9, "floor": 0.7}, 1),
    ],
)
def test_a_loss_of_a_quarter_against_every_peer_is_a_regression(tool, now, found):
    before = {"message: JSON": {"fastapi": 8.0, "floor": 1.0}}
    assert len(tool("ratios").regressions({"message: JSON": now}, before)) == found


def test_compare_says_what_fell_back_and_exits_with_one(tmp_path, tool, monkeypatch, capsys):
    ratios = tool("ratios")
    monkeypatch.setattr(ratios, "BASELINE", tmp_path / "ratios.json")

    def main(*arguments):
        monkeypatch.setattr(sys, "argv", ["ratios", *arguments])
        ratios.main()

    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(ratios_run(10e-6, fastapi=80e-6)))
    bad.write_text(json.dumps(ratios_run(20e-6, fastapi=80e-6)))
    with pytest.raises(SystemExit, match="no ratios"):
        main("compare", str(good))
    main("save", str(good))
    for path, code, text in ((good, 0, "No regression."), (bad, 1, "fastapi ×4.00 (was ×8.00)")):
        with pytest.raises(SystemExit) as ended:
            main("compare", str(path))
        assert ended.value.code == code and text in capsys.readouterr().out
