"""From measurements to figures: the median of the rounds, its spread, and whether the load left it to the server."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.wire.peers import PEERS, Peer

# A generator that is busier than this while the server is not has measured itself.
SATURATED = 0.9
# A server that was kept waiting for its core longer than this, as a share of the window, shared it with something else.
DISTURBED = 0.1
# Of fewer rounds than this a spread says nothing.
ROUNDS_OF_A_SPREAD = 3
# Of fewer ticks of 10 ms than this the kernel's share is chance.
TICKS_OF_A_SHARE = 50
PERCENTILES = ["p50", "p99", "p99.9"]


def per_unit(measured: dict[str, Any]) -> float:
    """CPU microseconds, or KiB resident, per unit."""
    if "memory" in measured:
        return float(measured["memory"]) / 1024
    return float(measured["server_cpu"]) / float(measured["units"]) * 1e6


def share(measured: dict[str, Any], what: str) -> float:
    """CPU time, or time spent waiting for the core, as a share of the window."""
    return float(measured[what]) / float(measured["seconds"])


def middle(values: Iterable[float]) -> tuple[float, float | None]:
    """Median and interquartile range; None for the range of fewer than three rounds."""
    found = list(values)
    if len(found) < ROUNDS_OF_A_SPREAD:
        return statistics.median(found), None
    low, median, high = statistics.quantiles(found, n=4, method="inclusive")
    return median, high - low


def summary(rounds: list[dict[str, Any]], spin: bool = False) -> dict[str, Any]:
    """The figures of one peer in one scene. A load that spins is always busy, so its share says nothing of a figure."""
    values = [per_unit(each) for each in rounds]
    median, spread = middle(values)
    found: dict[str, Any] = {
        "unit": "KiB" if "memory" in rounds[0] else "CPU µs",
        "median": median,
        "spread": spread,
        "rounds": [round(value, 4) for value in values],
        "valid": True,
    }
    if "memory" in rounds[0]:
        return found | {"opened": middle(each["opened"] / 1024 for each in rounds)[0]}
    server, load = (middle(share(each, name) for each in rounds)[0] for name in ("server_cpu", "load_cpu"))
    found |= {
        "per_second": middle(each["units"] / each["seconds"] for each in rounds)[0],
        "server_busy": server,
        "load_busy": load,
        "server_waited": middle(share(each, "server_waited") for each in rounds)[0],
        "kernel_share": _kernel_share(rounds),
        "valid": spin or not (load > SATURATED and server < SATURATED),
        "latency": {name: middle(each["latency"][name] for each in rounds)[0] for name in PERCENTILES},
    }
    if "capacity" in rounds[0]:
        found["capacity"], found["capacity_spread"] = middle(each["capacity"] for each in rounds)
    if "rate" in rounds[0]:
        found["rate"] = middle(each["rate"] for each in rounds)[0]
    if "lateness" in rounds[0]:
        found["lateness"] = {name: middle(each["lateness"][name] for each in rounds)[0] for name in PERCENTILES}
    return found


def _kernel_share(rounds: list[dict[str, Any]]) -> float | None:
    """The part of the CPU time that the kernel took, of all rounds together: a tick is long beside a window."""
    ticks = sum(each.get("ticks", 0) for each in rounds)
    return sum(each["kernel_ticks"] for each in rounds) / ticks if ticks >= TICKS_OF_A_SHARE else None


def is_disturbed(cell: dict[str, Any]) -> bool:
    """Whether something else ran on the core of the server for too long."""
    return bool(cell.get("server_waited", 0.0) > DISTURBED)


def disturbed(figures: dict[str, dict[str, dict[str, Any]]]) -> dict[str, float]:
    """``"peer in scene"`` -> the share of its time that the server stood waiting, where that is too much to quote."""
    return {
        f"{peer} in {scene}": cell["server_waited"]
        for scene, cells in figures.items()
        for peer, cell in cells.items()
        if is_disturbed(cell)
    }


def summaries(measurements: list[dict[str, Any]], spin: bool = False) -> dict[str, dict[str, dict[str, Any]]]:
    """Scene -> peer -> figures, in the order of the measurements."""
    grouped: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for each in measurements:
        grouped.setdefault(each["scene"], {}).setdefault(each["peer"], []).append(each)
    order = [peer.name for peer in PEERS]
    return {
        scene: {peer: summary(cells[peer], spin) for peer in sorted(cells, key=order.index)}
        for scene, cells in grouped.items()
    }


def growth(figures: dict[str, dict[str, dict[str, Any]]], group: str) -> dict[str, float]:
    """Peer -> what one more costs, between the smallest and the largest of a group of scenes."""
    sizes = sorted(int(name.partition("-")[2]) for name in figures if name.partition("-")[0] == group)
    if len(sizes) < 2:
        return {}
    first, last = figures[f"{group}-{sizes[0]}"], figures[f"{group}-{sizes[-1]}"]
    both = [peer for peer in first if peer in last]
    return {peer: (last[peer]["median"] - first[peer]["median"]) / (sizes[-1] - sizes[0]) for peer in both}


def environment(peers: list[Peer]) -> dict[str, Any]:
    """The machine, the interpreter and the versions of everything that took part."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "versions": {peer.name: peer.versions() for peer in peers},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
