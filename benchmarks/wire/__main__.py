"""Servers side by side on real sockets: ``python -m benchmarks.wire [--quick]``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.wire import peers, plots, report, results, scenes
from benchmarks.wire.load import Load, LoadError
from benchmarks.wire.measure import Measuring, Plan, raise_file_limit
from benchmarks.wire.peers import OURS, Peer
from benchmarks.wire.processes import cores

QUICK_LIMIT = 110.0
INTERRUPTED = "everything after an interrupt"


class Progress:
    """How far the run is: one line that is rewritten on a terminal, a line for each tenth elsewhere."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.began = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def __call__(self, line: str) -> None:
        self.done += 1
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        text = f"[{self.done}/{self.total} {minutes}:{seconds:02}] {line}"
        if self.terminal:
            end = "\n" if "FAILED" in line or self.done == self.total else ""
            print(f"\r\x1b[K{text}", end=end, file=sys.stderr, flush=True)
        elif "FAILED" in line or self.done % max(1, self.total // 10) == 0 or self.done == self.total:
            print(text, file=sys.stderr, flush=True)


def listed(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main scenes and peers, under two minutes")
    parser.add_argument("--peers", type=listed, metavar="A,B", help=f"of: {', '.join(peers.BY_NAME)}")
    groups = dict.fromkeys(scene.group for scene in scenes.SCENES)
    parser.add_argument("--scenes", type=listed, metavar="A,B", help=f"names or groups; groups: {', '.join(groups)}")
    parser.add_argument("--rounds", type=int, help="of each scene (default 5, with --quick 3)")
    parser.add_argument("--seconds", type=float, help="of a measurement (default 0.5, with --quick 0.25)")
    parser.add_argument("--limit", type=float, help="seconds after which nothing new is started (default 5400)")
    parser.add_argument("--spin", action="store_true", help="the load never sleeps, so that no server pays to wake it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for report.md, results.json and the plots")
    parser.add_argument("--list", action="store_true", help="name the peers and scenes and end")
    found = parser.parse_args(arguments)
    unknown = [name for name in found.peers or [] if name not in peers.BY_NAME]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(peers.BY_NAME)}")
    try:
        scenes.chosen(found.scenes or [])
    except KeyError as exc:
        parser.error(f"no such scene: {exc.args[0]}; see --list")
    if found.rounds is not None and found.rounds < 1:
        parser.error("--rounds must be at least 1")
    if found.seconds is not None and not 0.01 <= found.seconds <= 60:
        parser.error("--seconds must be between 0.01 and 60")
    return found


def make_plan(options: argparse.Namespace) -> tuple[Plan, dict[str, str]]:
    """The plan, and the absent peers with the packages that they need."""
    names = options.peers or (peers.QUICK if options.quick else list(peers.BY_NAME))
    wanted = [peers.BY_NAME[name] for name in names]
    absent = {peer.name: ", ".join(peer.absent) for peer in wanted if peer.absent}
    present: list[Peer] = [peer for peer in wanted if peer.name not in absent]
    chosen = options.scenes or (scenes.QUICK if options.quick else list(scenes.BY_NAME))
    seconds = options.seconds or (0.25 if options.quick else 0.5)
    return (
        Plan(
            peers=present,
            scenes=scenes.chosen(chosen),
            rounds=options.rounds or (3 if options.quick else 5),
            seconds=seconds,
            warmup=0.4 * seconds,
            limit=options.limit or (QUICK_LIMIT if options.quick else 5_400.0),
            spin=options.spin,
        ),
        absent,
    )


def listing() -> str:
    lines = ["Peers:"]
    for peer in peers.PEERS:
        missing = f" (absent: needs {', '.join(peer.absent)})" if peer.absent else ""
        lines.append(f"  {peer.name:28}{peer.does}{missing}")
    lines.append("Scenes:")
    lines += [f"  {scene.name:28}{scene.title}" for scene in scenes.SCENES]
    return "\n".join(lines)


def run(options: argparse.Namespace, command: str) -> dict[str, Any]:
    """Measure, and return everything that the report says."""
    plan, absent = make_plan(options)
    if not plan.peers:
        raise SystemExit(f"no peer is installed: {absent}")
    raise_file_limit()
    before, began = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wirefast-load-") as directory:
        measuring = Measuring(Load(Path(directory)), plan, Progress(len(plan)))
        try:
            measuring.run()
        except KeyboardInterrupt:
            measuring.left_out.append(INTERRUPTED)
    servers, load = cores()
    return {
        "command": command,
        "environment": results.environment(plan.peers),
        "plan": {
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "spin": plan.spin,
            "server_cores": ",".join(map(str, servers)),
            "load_cores": ",".join(map(str, load)),
        },
        "minutes": (time.monotonic() - began) / 60,
        "load_average": [before, os.getloadavg()[0]],
        "peers": [peer.name for peer in plan.peers],
        "absent": absent,
        "left_out": measuring.left_out,
        "failures": measuring.failures,
        "figures": results.summaries(measuring.measurements, plan.spin),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = parse(arguments)
    if options.list:
        print(listing())
        return 0
    if not sys.platform.startswith("linux"):
        raise SystemExit("this benchmark reads /proc and pins processes to cores: it needs Linux")
    # Either signal ends the servers and leaves a report of what there is.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        found = run(options, shlex.join(["python", "-m", "benchmarks.wire", *arguments]))
    except LoadError as exc:
        raise SystemExit(str(exc)) from None
    drawn: list[str] = []
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        if plots.available():
            drawn = plots.draw(found["figures"], options.out)
        else:
            print("matplotlib is not installed: no plots", file=sys.stderr)
        (options.out / "report.md").write_text(report.markdown(found, drawn))
    print(report.markdown(found, []))
    interrupted = INTERRUPTED in found["left_out"]
    return 1 if interrupted or any(failure["peer"] == OURS for failure in found["failures"]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
