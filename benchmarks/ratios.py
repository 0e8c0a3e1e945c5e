"""Whether we fell back beside the others: `python -m benchmarks.ratios save|compare RUN.json ...`.

A ratio is what a peer costs over what we cost in the same run, so a slow or busy machine hardly changes it, while the
times themselves mean nothing on another machine. RUN.json is written by pytest-benchmark, or is the results.json of
benchmarks.wire; several of one kind give the median of their ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.instructions import python
from benchmarks.wire.results import is_disturbed

BASELINE = Path(__file__).with_name("ratios.json")
# A ratio is repeatable to some 10 % between calm runs. What changed is looked for with instructions.py.
ALLOWED_LOSS = 0.25
# Of a cost whose quartiles lie further apart than this, in parts of its median, nothing can be said.
STEADY = 0.25
Ratios = dict[str, dict[str, float]]


def of_run(run: dict[str, Any]) -> Ratios:
    """``"step: case"`` -> peer -> how many times our cost it has, of the costs that are steady."""
    costs: dict[str, dict[str, tuple[float, float]]] = {}
    if "figures" in run:
        for scene, cells in run["figures"].items():
            valid = {
                peer: (cell["median"], cell["spread"] or 0.0)
                for peer, cell in cells.items()
                if cell["valid"] and not is_disturbed(cell)
            }
            costs[f"wire: {scene}"] = valid
    else:
        for (step, case), found in report.read([run]).items():
            costs[f"{step}: {case}"] = {peer: report.summary(cell) for peer, cell in found.items()}
    ratios: Ratios = {}
    for name, by_peer in costs.items():
        steady = {peer: median for peer, (median, spread) in by_peer.items() if spread <= STEADY * median}
        ours = steady.pop(report.OURS, None)
        if ours and steady:
            ratios[name] = {peer: median / ours for peer, median in steady.items()}
    return ratios


def of_runs(runs: Iterable[dict[str, Any]]) -> Ratios:
    """The medians over several runs, each case of those that have it."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for name, by_peer in of_run(run).items():
            for peer, value in by_peer.items():
                found.setdefault(name, {}).setdefault(peer, []).append(value)
    return {
        name: {peer: round(statistics.median(values), 3) for peer, values in by_peer.items()}
        for name, by_peer in found.items()
    }


def regressions(now: Ratios, before: Ratios) -> list[str]:
    """The cases where every peer came closer by more than ALLOWED_LOSS.

    Of one peer alone it may be the peer that became faster, or a bad round of its own; against all of them it is us.
    """
    found = []
    for name, by_peer in now.items():
        both = {peer: value / before[name][peer] for peer, value in by_peer.items() if peer in before.get(name, {})}
        if both and all(change < 1 - ALLOWED_LOSS for change in both.values()):
            peers = ", ".join(f"{peer} ×{by_peer[peer]:.2f} (was ×{before[name][peer]:.2f})" for peer in both)
            found.append(f"{name}: {peers}")
    return found


def load_baseline() -> dict[str, Ratios]:
    return json.loads(BASELINE.read_text()) if BASELINE.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratios", description=__doc__)
    parser.add_argument(
        "command", choices=["save", "compare"], help="compare exits with 1 when we fell back by more than a quarter"
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN.json")
    options = parser.parse_args()
    now = of_runs(json.loads(path.read_text()) for path in options.runs)
    baseline = load_baseline()
    if options.command == "save":
        baseline[python()] = baseline.get(python(), {}) | now
        BASELINE.write_text(json.dumps(baseline, indent=1, sort_keys=True) + "\n")
        print(f"{len(now)} cases saved for {python()}")
        return
    if python() not in baseline:
        raise SystemExit(f"{BASELINE.name} has no ratios for {python()}: make them with `save`")
    compared = [name for name in now if name in baseline[python()]]
    found = regressions(now, baseline[python()])
    print(f"{len(compared)} of {len(now)} cases are in the baseline.", *(found or ["No regression."]), sep="\n")
    raise SystemExit(1 if found or not compared else 0)


if __name__ == "__main__":
    main()
