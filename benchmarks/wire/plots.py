"""Plots of a run as SVG, with matplotlib where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from benchmarks.wire.peers import FLOOR, OURS
from benchmarks.wire.report import MAIN
from benchmarks.wire.scenes import BY_NAME as SCENES

COLOURS = {OURS: "#0b6e4f", FLOOR: "#9a9a9a"}
OTHERS = "#7aa6c2"
Figures = dict[str, dict[str, dict[str, Any]]]


def available() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def draw(figures: Figures, directory: Path) -> list[str]:
    """Write the plots; their names."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file.
    matplotlib.rcParams |= {"svg.hashsalt": "wirefast", "svg.fonttype": "none", "font.size": 9}
    names = [_bars(name, figures[name], directory) for name in [*MAIN, "idle-1000"] if figures.get(name)]
    names += [_latency(name, figures[name], directory) for name in figures if SCENES[name].mode == "paced"]
    names += [
        _growth(group, figures, directory)
        for group in ("routes", "dependencies", "parameters")
        if sum(name.startswith(f"{group}-") for name in figures) > 1
    ]
    return names


def _save(figure: Any, name: str, directory: Path) -> str:
    figure.savefig(directory / f"{name}.svg", format="svg", bbox_inches="tight", metadata={"Date": None})
    return f"{name}.svg"


def _bars(name: str, cells: dict[str, dict[str, Any]], directory: Path) -> str:
    """Cost per peer, with the interquartile range."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.6 + 0.27 * len(cells)))
    axes = figure.subplots()
    peers = list(cells)
    values = [cells[peer]["median"] for peer in peers]
    spreads = [(cells[peer]["spread"] or 0.0) / 2 for peer in peers]
    colours = [COLOURS.get(peer, OTHERS) for peer in peers]
    bars = axes.barh(peers, values, xerr=spreads, color=colours, ecolor="#333333", capsize=2)
    axes.bar_label(bars, labels=[f"{value:.3g}" for value in values], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"{cells[peers[0]]['unit']} a {SCENES[name].unit}, less is better")
    axes.set_title(SCENES[name].title, loc="left")
    return _save(figure, name, directory)


def _latency(name: str, cells: dict[str, dict[str, Any]], directory: Path) -> str:
    """p50, p99 and p99.9 per peer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.6 + 0.27 * len(cells)))
    axes = figure.subplots()
    peers = list(cells)
    for percentile, marker in (("p50", "o"), ("p99", "s"), ("p99.9", "^")):
        values = [cells[peer]["latency"][percentile] * 1e3 for peer in peers]
        axes.plot(values, peers, marker, label=percentile)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.set_xlabel("ms from the moment that the message was due, less is better")
    axes.set_title(SCENES[name].title, loc="left")
    return _save(figure, name, directory)


def _growth(group: str, figures: Figures, directory: Path) -> str:
    """Cost of a connection over the number of routes, dependencies or parameters."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    names = sorted((name for name in figures if name.startswith(f"{group}-")), key=lambda name: int(name.split("-")[1]))
    for peer in dict.fromkeys(peer for name in names for peer in figures[name]):
        there = [name for name in names if peer in figures[name]]
        sizes = [int(name.split("-")[1]) for name in there]
        values = [figures[name][peer]["median"] for name in there]
        errors = [(figures[name][peer]["spread"] or 0.0) / 2 for name in there]
        axes.errorbar(sizes, values, yerr=errors, marker="o", capsize=2, label=peer, color=COLOURS.get(peer))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(which="both", alpha=0.2)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.set_xlabel(group)
    axes.set_ylabel("CPU µs a connection")
    axes.set_title(f"an upgrade and the number of {group}", loc="left")
    return _save(figure, group, directory)
