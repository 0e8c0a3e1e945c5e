"""The figures that the pages quote, and their picture, out of the committed runs of ``benchmarks/results``.

    python -m benchmarks.figures            # write them into PAGES, and the picture
    python -m benchmarks.figures --check    # name what is not as the runs have it; exit code 1 for anything

A page has them between two comments, ``<!-- figures: NAME -->`` and ``<!-- end of figures -->``; NAME is one of BLOCKS.
A figure of a server that was kept waiting, or of a load that was the bottleneck, is not quoted.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.picture import Group, draw
from benchmarks.wire.report import main_table
from benchmarks.wire.results import is_disturbed

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "pictures" / "figures.svg"
PAGES = ["README.md", "docs/index.md", "benchmarks/README.md"]
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

OURS, FASTAPI, OLDER, UNCHANGED = "wirefast", "fastapi/websockets-sansio", "fastapi/websockets", "fastapi/wirefast"
PICOWS, SOCKETIFY, FLOOR = "picows", "socketify", "raw"
ECHO, UPGRADE, IDLE = "echo-json-128B", "upgrade", ("idle-10000", "idle-1000")
#: The bars of the picture, from top to bottom.
SHOWN = {OURS: "wirefast", UNCHANGED: "FastAPI, wirefast's protocol", FASTAPI: "FastAPI, uvicorn"}


@dataclass(frozen=True)
class Run:
    """One run that is committed.

    Attributes:
        name: of its folder.
        processor: without trademarks and frequencies.
        date, python: as in its report.
        figures: scene -> peer -> cell, those alone that may be quoted.
        command: what made it.
        weight: seconds of measuring; of one day's runs the longest is drawn.
    """

    name: str
    processor: str
    date: str
    python: str
    figures: dict[str, dict[str, dict[str, Any]]]
    command: str
    weight: float

    def ratio(self, scenes: str | tuple[str, ...], peer: str) -> float | None:
        """How many times ours, in the first of the scenes that both took part in."""
        for scene in (scenes,) if isinstance(scenes, str) else scenes:
            cells = self.figures.get(scene, {})
            if OURS in cells and peer in cells:
                return float(cells[peer]["median"] / cells[OURS]["median"])
        return None


def quotable(cell: dict[str, Any]) -> bool:
    return bool(cell["valid"]) and not is_disturbed(cell)


def _counted(found: re.Match[str]) -> str:
    """A long list of names as its length; the report has the names."""
    return f"{found[0].rpartition(' ')[0]} ({found[1].count(',') + 1} of them)"


def read(path: Path) -> Run:
    found = json.loads(path.read_text(encoding="utf-8"))
    where, plan = found["environment"], found["plan"]
    processor = re.sub(r"\((R|TM)\)| Processor.*| @.*| CPU\b", "", where["processor"])
    figures = {
        scene: {peer: cell for peer, cell in cells.items() if quotable(cell)}
        for scene, cells in found["figures"].items()
    }
    python = ".".join(where["python"].split()[-1].split(".")[:2])
    return Run(
        path.parent.name,
        f"{' '.join(processor.split())}, {where['cores']} cores",
        where["date"],
        python,
        figures,
        re.sub(r" --(?:peers|scenes) (\S{40,})", _counted, re.sub(r" --out \S+", "", found["command"])),
        plan["rounds"] * plan["seconds"],
    )


def all_runs() -> list[Run]:
    """Every committed run, the newest and longest of each processor first, processors by name."""
    runs = [read(path) for path in RESULTS.glob("*/results.json")]
    runs.sort(key=lambda run: (run.date, run.weight, run.name), reverse=True)
    return sorted(runs, key=lambda run: run.processor)


def by_processor(runs: list[Run]) -> dict[str, list[Run]]:
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.processor, []).append(run)
    return grouped


def spread(runs: list[Run], scenes: str | tuple[str, ...], peer: str) -> str:
    """The least and the greatest ratio of the runs, in two digits: ``3.0 to 7.3``; a dash where there is none."""
    values = [value for run in runs if (value := run.ratio(scenes, peer)) is not None]
    if not values:
        return "–"
    shown = [f"{value:.1f}" if value >= 1.95 else f"{value:.2f}" for value in (min(values), max(values))]
    return " to ".join(dict.fromkeys(shown))


def machines(runs: list[Run]) -> str:
    names = list(by_processor(runs))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def least(runs: list[Run], scenes: str | tuple[str, ...], peer: str) -> str:
    """What holds in every run, and the most that was seen: ``at least 3.0 times our CPU (at most 7.3)``."""
    low, _, high = spread(runs, scenes, peer).partition(" to ")
    return f"**at least {low} times** our {'memory' if scenes == IDLE else 'CPU'}" + (
        f" (at most {high})" if high else ""
    )


def headline(runs: list[Run]) -> str:
    """The sentence that holds on every processor."""
    return (
        f"Measured on {machines(runs)}: FastAPI as uvicorn serves it takes "
        f"{least(runs, ECHO, FASTAPI)} for a JSON echo,\n"
        f"{least(runs, UPGRADE, FASTAPI)} for a connection with four dependencies and six parameters, and\n"
        f"{least(runs, IDLE, FASTAPI)} for an idle socket. Unchanged, with our protocol below it, its echo takes\n"
        f"{spread(runs, ECHO, UNCHANGED)} times our CPU.\n"
    )


def runs_shown(runs: list[Run]) -> str:
    lines = ["| report | command | Python | processor | date |", "|---|---|---|---|---|"]
    for run in runs:
        report = f"[results/{run.name}](results/{run.name}/report.md)"
        lines.append(f"| {report} | `{run.command}` | {run.python} | {run.processor} | {run.date} |")
    return "\n".join(lines) + "\n"


def tables(runs: list[Run]) -> str:
    """The main table of each processor's newest run."""
    parts = []
    for name, some in by_processor(runs).items():
        parts.append(f"**{name}**, Python {some[0].python}, {some[0].date}:\n\n{main_table(some[0].figures)}\n")
    return "\n".join(parts)


def losses(runs: list[Run]) -> str:
    return (
        f"* picows, a bare protocol without routes or dependencies: {spread(runs, UPGRADE, PICOWS)} times our CPU for "
        f"a connection, {spread(runs, ECHO, PICOWS)} for an echo.\n"
        f"* socketify, a server in C++: {spread(runs, UPGRADE, SOCKETIFY)} times our CPU for a connection, and "
        f"{spread(runs, IDLE, SOCKETIFY)} times our memory.\n"
        f"* TCP without WebSocket, the floor: {spread(runs, ECHO, FLOOR)} times our CPU for an echo.\n"
    )


def processors(runs: list[Run]) -> str:
    """A row for each processor: how many times ours, over its runs."""
    lines = [
        "| how many times ours, least to most | JSON echo | connection | idle socket | of our echo the kernel's |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, some in by_processor(runs).items():
        count = f"{len(some)} run{'s' if len(some) > 1 else ''}"
        pythons = ", ".join(sorted({run.python for run in some}))
        dates = " and ".join(sorted({run.date for run in some}))
        for peer, words in (
            (FASTAPI, "FastAPI, uvicorn as it comes"),
            (OLDER, "FastAPI, uvicorn's older `websockets`"),
        ):
            first = peer == FASTAPI
            where = f"{name} ({count}, Python {pythons}, {dates}): " if first else "the same: "
            cells = [spread(some, scenes, peer) for scenes in (ECHO, UPGRADE, IDLE)]
            lines.append(f"| {where}{words} | {' | '.join(cells)} | {kernel_share(some) if first else ''} |")
    return "\n".join(lines) + "\n"


def kernel_share(runs: list[Run]) -> str:
    shares = [run.figures.get(ECHO, {}).get(OURS, {}).get("kernel_share") for run in runs]
    known = [share for share in shares if share is not None]
    return "not measured" if not known else " to ".join(dict.fromkeys(f"{v:.0%}" for v in (min(known), max(known))))


BLOCKS = {
    "headline": headline,
    "losses": losses,
    "processors": processors,
    "runs": runs_shown,
    "tables": tables,
}


def filled(text: str, runs: list[Run]) -> str:
    """A page with its blocks as the runs have them.

    Raises:
        KeyError: the page asks for a block that there is not.
    """
    return BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]](runs) + found[3], text)


def groups(runs: list[Run]) -> list[Group]:
    """What is drawn: of each processor its newest run."""
    found = []
    for name, some in by_processor(runs).items():
        run = next((run for run in some if OURS in run.figures.get(ECHO, {})), None)
        if run is None:
            continue
        costs = {title: run.figures[ECHO][peer] for peer, title in SHOWN.items() if peer in run.figures[ECHO]}
        found.append(
            Group(
                f"{name}, Python {run.python}, {run.date}",
                {title: cell["per_second"] for title, cell in costs.items()},
                {title: cell["median"] for title, cell in costs.items()},
            )
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit code 1 for a difference")
    check = parser.parse_args().check
    runs = all_runs()
    wanted = {ROOT / page: filled((ROOT / page).read_text(encoding="utf-8"), runs) for page in PAGES}
    wanted[PICTURE] = draw(groups(runs))
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    if check and stale:
        names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
        print(f"not what benchmarks/results says, run python -m benchmarks.figures: {names}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
