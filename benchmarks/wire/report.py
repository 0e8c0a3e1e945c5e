"""The report of a run: Markdown, from what results.py made of it."""

from __future__ import annotations

from typing import Any

from benchmarks.wire.peers import BY_NAME as PEERS
from benchmarks.wire.peers import FLOOR, OURS
from benchmarks.wire.results import PERCENTILES, growth
from benchmarks.wire.scenes import BY_NAME as SCENES

MAIN = ["echo-json-128B", "pipelined-json-128B", "upgrade", "broadcast-1000", "rooms-1000", "idle-10000"]
HEADINGS = {
    "echo-json-128B": "JSON echo 128B, ping-pong, CPU µs",
    "pipelined-json-128B": "16 in flight, CPU µs",
    "upgrade": "upgrade + DI + close, CPU µs",
    "broadcast-1000": "broadcast, CPU µs a delivery",
    "rooms-1000": "the same by rooms",
    "idle-10000": "idle socket of 10,000, KiB",
    "idle-1000": "idle socket of 1,000, KiB",
}
PLURALS = {"delivery": "deliveries"}
Figures = dict[str, dict[str, dict[str, Any]]]


def number(value: float) -> str:
    """Three digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def seconds(value: float) -> str:
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def cost(figure: dict[str, Any] | None, ours: dict[str, Any] | None) -> str:
    """Median, spread, and in brackets how many times ours."""
    if figure is None:
        return "–"
    text = f"{number(figure['median'])} ± {number(figure['spread'])}"
    if ours is not None and ours is not figure and ours["median"] > 0:
        text += f" (×{figure['median'] / ours['median']:.2f})"
    return text if figure["valid"] else f"{text} (invalid: the load was the bottleneck)"


def main_table(figures: Figures) -> str:
    """Every peer and the scenes that stand for the rest."""
    scenes = [name for name in MAIN if name in figures]
    if "idle-10000" not in figures and "idle-1000" in figures:
        scenes.append("idle-1000")
    if not scenes:
        return ""
    names = [name for name in PEERS if any(name in figures[scene] for scene in scenes)]
    lines = [row(["", *[HEADINGS[scene] for scene in scenes]]), "|---|" + "---:|" * len(scenes)]
    for name in names:
        lines.append(row([name, *[cost(figures[s].get(name), figures[s].get(OURS)) for s in scenes]]))
    return "\n".join(lines)


def scene_table(name: str, figures: Figures) -> str:
    """One scene: cost, throughput, and who was busy."""
    scene, cells = SCENES[name], figures[name]
    ours = cells.get(OURS)
    lines = [f"### `{name}`: {scene.title}", ""]
    if scene.mode == "idle":
        lines += [row(["", "KiB a socket", "before its first message"]), "|---|---:|---:|"]
        lines += [row([peer, cost(cell, ours), number(cell["opened"])]) for peer, cell in cells.items()]
        return "\n".join(lines)
    head = [
        "",
        f"CPU µs a {scene.unit}",
        f"{PLURALS.get(scene.unit, scene.unit + 's')} a second",
        "server busy",
        "load busy",
        "server kept waiting",
    ]
    if scene.mode == "paced":
        head += [*PERCENTILES, "sent late, p99"]
    lines += [row(head), "|---|" + "---:|" * (len(head) - 1)]
    for peer, cell in cells.items():
        shares = [f"{cell[key]:.0%}" for key in ("server_busy", "load_busy", "server_waited")]
        values = [peer, cost(cell, ours), f"{cell['per_second']:,.0f}", *shares]
        if scene.mode == "paced":
            values += [*[seconds(cell["latency"][key]) for key in PERCENTILES], seconds(cell["lateness"]["p99"])]
        lines.append(row(values))
    return "\n".join(lines)


def growth_table(figures: Figures) -> str:
    """What one more route, dependency or parameter costs."""
    groups = {name: growth(figures, name) for name in ("routes", "dependencies", "parameters")}
    groups = {name: found for name, found in groups.items() if found}
    if not groups:
        return ""
    lines = ["### What one more costs, CPU µs a connection", ""]
    lines += [row(["", *[f"a {_one(name)}" for name in groups]]), "|---|" + "---:|" * len(groups)]
    for peer in [name for name in PEERS if any(name in found for found in groups.values())]:
        values = [f"{found[peer]:.3f}" if peer in found else "–" for found in groups.values()]
        lines.append(row([peer, *values]))
    return "\n".join(lines)


def _one(group: str) -> str:
    return {"routes": "route", "dependencies": "dependency", "parameters": "parameter"}[group]


def heading(run: dict[str, Any]) -> str:
    """The machine, the command, and what is not in the tables."""
    where, plan = run["environment"], run["plan"]
    lines = [
        "# Real sockets, side by side",
        "",
        f"`{run['command']}`, {where['date']}, {run['minutes']:.0f} minutes.",
        "",
        f"{where['python']}; {where['system']}, {where['processor']}, {where['cores']} cores, "
        f"{where['memory_GiB']} GiB; load average {run['load_average'][0]:.1f} before and "
        f"{run['load_average'][1]:.1f} after.",
        f"Servers on core {plan['server_cores']}, the load on core {plan['load_cores']}.",
        "",
        "* Cost is CPU time of the server's processes (user + system) per unit: median ± interquartile range over "
        f"up to {plan['rounds']} rounds of {plan['seconds']:g} s, the rounds interleaved over the peers; in brackets "
        "how many times ours.",
        "* Busy is CPU time over wall time. A figure is marked invalid when the load was busier than 90 % and the "
        "server was not. Kept waiting is how long the server stood in the queue of its core because something else "
        "ran there.",
        "* Every answer was compared byte by byte. No server compresses: the load does not offer it.",
        f"* `{FLOOR}` is a TCP echo without WebSocket. What else a server leaves out: "
        + "; ".join(f"{name}: {PEERS[name].does}" for name in run["peers"] if not PEERS[name].framework)
        + "; Starlette: no dependencies, no validation.",
        f"* Absent peers: {_listed(f'{name} (needs {needs})' for name, needs in run['absent'].items())}.",
        f"* Left out: {_listed(run['left_out'])}.",
        f"* Failed: {_listed('{} in {}: {}'.format(f['peer'], f['scene'], _line(f['error'])) for f in run['failures'])}"
        ".",
    ]
    return "\n".join(lines)


def _listed(items: Any) -> str:
    return "; ".join(items) or "none"


def _line(text: str) -> str:
    return text.strip().splitlines()[0][:200]


def markdown(run: dict[str, Any], plots: list[str]) -> str:
    """The whole report; the plots lie beside it."""
    figures: Figures = run["figures"]
    parts = [heading(run), main_table(figures)]
    parts += [f"![{name.removesuffix('.svg')}]({name})" for name in plots]
    parts += ["## Scene by scene"]
    parts += [scene_table(name, figures) for name in figures]
    parts += [growth_table(figures)]
    versions = [f"* {name}: {text}" for name, text in run["environment"]["versions"].items()]
    parts += ["## Versions", "\n".join(versions)]
    return "\n\n".join(part for part in parts if part) + "\n"
