"""Ratios out of pytest-benchmark's JSON, as a Markdown table: `python -m benchmarks.report RUN.json ...`.

Several runs give medians over runs, which is how to measure on a machine that others use: their spread is then between
runs, that of a single run between its rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

OURS = "wirefast"
PEERS = ["fastapi", "starlette", "litestar", "floor"]
# Of the steps below the application: uvicorn's own protocols, and masking alone.
PROTOCOLS = ["websockets-sansio", "wsproto", "websockets", "aiohttp"]
# step, case -> peer -> one (median, interquartile range) per run, in microseconds per unit
Table = dict[tuple[str, str], dict[str, list[tuple[float, float]]]]


def read(runs: Iterable[dict[str, Any]]) -> Table:
    """Every measurement of the runs, in the order of the first."""
    table: Table = {}
    for run in runs:
        for benchmark in run["benchmarks"]:
            extra, stats = benchmark["extra_info"], benchmark["stats"]
            scale = 1e6 / extra["units"]
            cell = table.setdefault((extra["step"], extra["case"]), {}).setdefault(extra["peer"], [])
            cell.append((stats["median"] * scale, stats["iqr"] * scale))
    return table


def summary(cell: list[tuple[float, float]]) -> tuple[float, float]:
    """Median and interquartile range of a measurement over its rounds, or over its runs where there are several."""
    medians = [median for median, _ in cell]
    if len(cell) == 1:
        return cell[0]
    low, _, high = statistics.quantiles(medians, n=4, method="inclusive")
    return statistics.median(medians), high - low


def microseconds(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(table: Table) -> str:
    """One row per case: our time, then each peer's and how many times ours it is. Frames have a table of their own."""
    below = [key for key in table if key[0] == "frames"]
    frameworks = _rows(table, [key for key in table if key not in below], PEERS)
    return "\n\n".join(part for part in (frameworks, _rows(table, below, PROTOCOLS)) if part)


def _rows(table: Table, keys: list[tuple[str, str]], peers: list[str]) -> str:
    if not keys:
        return ""
    header = ["step", "case", f"{OURS}, µs", *(f"{peer}, µs" for peer in peers)]
    lines = ["| " + " | ".join(header) + " |", "|---|---|" + "---:|" * (1 + len(peers))]
    for step, case in keys:
        cells = table[step, case]
        row = [step, case]
        ours = summary(cells[OURS]) if OURS in cells else None
        row.append("–" if ours is None else f"{microseconds(ours[0])} ± {microseconds(ours[1])}")
        for peer in peers:
            if peer not in cells:
                row.append("–")
                continue
            median, spread = summary(cells[peer])
            ratio = "" if ours is None else f" (×{median / ours[0]:.2f})"
            row.append(f"{microseconds(median)} ± {microseconds(spread)}{ratio}")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def heading(runs: list[dict[str, Any]]) -> str:
    """The machine, the Python and the peers of the runs."""
    machine = runs[0]["machine_info"]
    cpu = machine.get("cpu", {})
    absent = sorted({peer for run in runs for each in run["benchmarks"] for peer in each["extra_info"]["absent"]})
    name = f"{machine['python_implementation']} {machine['python_version']}"
    lines = [
        f"{name}, {cpu.get('brand_raw', machine['machine'])}, {cpu.get('count', '?')} cores, {machine['system']}; "
        f"{len(runs)} run{'s' if len(runs) > 1 else ''}.",
        "CPU time (user + system) per unit: median ± interquartile range; in brackets how many times ours.",
        f"Absent peers: {', '.join(absent) or 'none'}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN.json", help="written by pytest --benchmark-json")
    runs = [json.loads(path.read_text()) for path in parser.parse_args().runs]
    print(heading(runs), "", markdown(read(runs)), sep="\n")


if __name__ == "__main__":
    main()
