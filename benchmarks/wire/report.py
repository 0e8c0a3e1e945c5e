"""The report of a run: Markdown, from what results.py made of it. Results come first, how it was measured later."""

from __future__ import annotations

from typing import Any

from benchmarks.wire.peers import BY_NAME as PEERS
from benchmarks.wire.peers import FLOOR, OURS
from benchmarks.wire.results import DISTURBED, PERCENTILES, ROUNDS_OF_A_SPREAD, disturbed, growth, is_disturbed
from benchmarks.wire.scenes import BY_NAME as SCENES

MAIN = ["echo-json-128B", "pipelined-json-128B", "upgrade", "rooms-1000", "broadcast-1000", "idle-10000"]
HEADINGS = {
    "echo-json-128B": "JSON echo 128B, ping-pong, CPU µs",
    "pipelined-json-128B": "16 in flight, CPU µs",
    "upgrade": "upgrade + DI + close, CPU µs",
    "rooms-1000": "to 1,000 members by rooms, CPU µs a delivery",
    "broadcast-1000": "the same by a loop",
    "idle-10000": "idle socket of 10,000, KiB",
    "idle-1000": "idle socket of 1,000, KiB",
}
CAPACITY = "capacity-10ms"
PARTS = ["echo-json-128B", "upgrade"]
PLURALS = {"delivery": "deliveries"}
DO_NOT_QUOTE = "do not quote"
Figures = dict[str, dict[str, dict[str, Any]]]


def number(value: float) -> str:
    """Three digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def rough(value: float) -> str:
    """Three digits, the others zeros."""
    digits = max(0, len(str(round(value))) - 3)
    return f"{round(value, -digits):,.0f}"


def seconds(value: float) -> str:
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def cost(figure: dict[str, Any] | None, ours: dict[str, Any] | None) -> str:
    """Median, spread where there is one, and in brackets how many times ours."""
    if figure is None:
        return "–"
    spread = "" if figure["spread"] is None else f" ± {number(figure['spread'])}"
    text = number(figure["median"]) + spread
    if ours is not None and ours is not figure and ours["median"] > 0:
        text += f" (×{figure['median'] / ours['median']:.2f})"
    return text + _doubts(figure)


def _doubts(figure: dict[str, Any]) -> str:
    found = [] if figure["valid"] else ["invalid: the load was the bottleneck"]
    if is_disturbed(figure):
        found.append(f"{DO_NOT_QUOTE}: kept waiting {figure['server_waited']:.0%}")
    return f" ({'; '.join(found)})" if found else ""


def main_table(figures: Figures) -> str:
    """Every peer and the scenes that stand for the rest."""
    scenes = [name for name in MAIN if name in figures]
    if "idle-10000" not in figures and "idle-1000" in figures:
        scenes.append("idle-1000")
    if not scenes:
        return ""
    lines = [row(["", *[HEADINGS[scene] for scene in scenes]]), "|---|" + "---:|" * len(scenes)]
    for name in _names(figures, scenes):
        lines.append(row([name, *[cost(figures[s].get(name), figures[s].get(OURS)) for s in scenes]]))
    return "\n".join(lines)


def _names(figures: Figures, scenes: list[str]) -> list[str]:
    """The peers of these scenes, in their order."""
    return [name for name in PEERS if any(name in figures[scene] for scene in scenes)]


def user_table(figures: Figures) -> str:
    """What one core and one GiB of memory are good for."""
    idle = next((name for name in ("idle-10000", "idle-1000") if name in figures), None)
    columns: dict[str, dict[str, str]] = {}
    if CAPACITY in figures:
        title = "messages a second, p99 under 10 ms"
        columns[title] = {
            name: ("" if cell["valid"] else "at least ") + rough(cell["capacity"]) + _disturbance(cell)
            for name, cell in figures[CAPACITY].items()
        }
    if "upgrade" in figures:
        columns["connections a second"] = {
            name: rough(cell["per_second"]) + _disturbance(cell) for name, cell in figures["upgrade"].items()
        }
    if idle:
        columns["idle sockets in 1 GiB"] = {
            name: rough(2**20 / cell["median"]) for name, cell in figures[idle].items() if cell["median"] > 0
        }
    if not columns:
        return ""
    lines = [row(["", *columns]), "|---|" + "---:|" * len(columns)]
    for name in PEERS:
        if any(name in cells for cells in columns.values()):
            lines.append(row([name, *[cells.get(name, "–") for cells in columns.values()]]))
    return "\n".join(["## What one core is good for", "", *lines])


def _disturbance(figure: dict[str, Any]) -> str:
    return f" ({DO_NOT_QUOTE})" if is_disturbed(figure) else ""


def parts_table(figures: Figures) -> str:
    """User and system time apart: what differs most between machines is what a system call costs."""
    scenes = [s for s in PARTS if any(cell.get("kernel_share") is not None for cell in figures.get(s, {}).values())]
    if not scenes:
        return ""
    head = [part for scene in scenes for part in (f"{HEADINGS[scene]}: user", "kernel", "kernel's share")]
    lines = [row(["", *head]), "|---|" + "---:|" * len(head)]
    for name in _names(figures, scenes):
        cells = [name]
        for scene in scenes:
            figure = figures[scene].get(name)
            share = None if figure is None else figure.get("kernel_share")
            if figure is None or share is None:
                cells += ["–"] * 3
                continue
            cells += [number(figure["median"] * (1 - share)), number(figure["median"] * share), f"{share:.0%}"]
        lines.append(row(cells))
    return "\n".join(["## Whose time it is: the process's own and the kernel's", "", *lines])


def legend(run: dict[str, Any]) -> str:
    """Who stands behind a name, and what a server leaves out."""
    return "\n".join(
        [
            "## The names",
            "",
            *[f"* `{name}`: {PEERS[name].legend}; {PEERS[name].does}." for name in run["peers"]],
        ]
    )


def scene_table(name: str, figures: Figures) -> str:
    """One scene: cost, throughput, and who was busy."""
    scene, cells = SCENES[name], figures[name]
    ours = cells.get(OURS)
    lines = [f"### `{name}`: {scene.title}", ""]
    if scene.mode == "idle":
        lines += [row(["", "KiB a socket", "before its first message"]), "|---|---:|---:|"]
        lines += [row([peer, cost(cell, ours), number(cell["opened"])]) for peer, cell in cells.items()]
        return "\n".join(lines)
    paced = scene.mode in ("paced", "capacity")
    head = [
        "",
        f"CPU µs a {scene.unit}",
        "of it the kernel's",
        f"{PLURALS.get(scene.unit, scene.unit + 's')} a second",
        "server busy",
        "load busy",
        "server kept waiting",
    ]
    if paced:
        head += [*PERCENTILES, "sent late, p99"]
    lines += [row(head), "|---|" + "---:|" * (len(head) - 1)]
    for peer, cell in cells.items():
        share = cell.get("kernel_share")
        shares = [f"{cell[key]:.0%}" for key in ("server_busy", "load_busy", "server_waited")]
        values = [
            peer,
            cost(cell, ours),
            "–" if share is None else f"{share:.0%}",
            f"{cell['per_second']:,.0f}",
            *shares,
        ]
        if paced:
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


def title(run: dict[str, Any]) -> str:
    """The first lines: whether the run may be quoted, where and when it was made."""
    where, found = run["environment"], disturbed(run["figures"])
    lines = ["# Real sockets, side by side"]
    if found:
        worst, total = max(found, key=lambda name: found[name]), sum(map(len, run["figures"].values()))
        what = "Disturbed" if 2 * len(found) > total else "Partly disturbed: what is marked"
        lines = [
            f"# {what}, {DO_NOT_QUOTE}: real sockets, side by side",
            "",
            f"Something else ran on the core of the servers: {len(found)} of {total} figures are of a server that was "
            f"kept waiting more than {DISTURBED:.0%} of the time, {worst} {found[worst]:.0%}. They are marked. "
            "Run it again on a machine that does nothing else.",
        ]
    lines += [
        "",
        f"{where['processor']}, {where['cores']} cores, {where['memory_GiB']} GiB; {where['python']}; {where['date']}. "
        "Cost is CPU time of the server's processes for one unit; in brackets how many times ours.",
    ]
    return "\n".join(lines)


def method(run: dict[str, Any]) -> str:
    """How it was measured, and what is not in the tables."""
    where, plan = run["environment"], run["plan"]
    spreads = (
        "median ± interquartile range"
        if plan["rounds"] >= ROUNDS_OF_A_SPREAD
        else f"median, without a spread, which needs {ROUNDS_OF_A_SPREAD} rounds,"
    )
    load = (
        "The load spins: it never sleeps, so that no server pays for waking it. It is always busy, and no figure is "
        "marked invalid for that."
        if plan.get("spin")
        else "A figure is marked invalid when the load was busier than 90 % and the server was not."
    )
    lines = [
        "## How it was measured",
        "",
        f"`{run['command']}`, {run['minutes']:.0f} minutes, on {where['system']}; load average "
        f"{run['load_average'][0]:.1f} before and {run['load_average'][1]:.1f} after. Servers on core "
        f"{plan['server_cores']}, the load on core {plan['load_cores']}.",
        "",
        f"* Cost is user and system time: {spreads} over up to {plan['rounds']} rounds of {plan['seconds']:g} s, the "
        "rounds interleaved over the peers. The kernel's share is of all rounds together, by ticks of 10 ms.",
        f"* Busy is CPU time over wall time. {load} Kept waiting is how long the server stood in the queue of its core "
        f"because something else ran there; beyond {DISTURBED:.0%} a figure is marked.",
        "* Messages a second with p99 under 10 ms is the highest rate found by halving at which 99 % of the answers "
        "come within 10 ms of the moment that their message was due. Connections a second come 8 at a time, each "
        "closed again. Sockets in 1 GiB are reckoned from the memory of the idle ones.",
        "* Every answer was compared byte by byte. No server compresses: the load does not offer it.",
        f"* `{FLOOR}` is a TCP echo without WebSocket; Starlette alone has no dependencies and no validation.",
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
    costs = main_table(figures)
    parts = [
        title(run),
        user_table(figures),
        costs and f"## What it costs\n\n{costs}",
        parts_table(figures),
        legend(run),
    ]
    parts += [f"![{name.removesuffix('.svg')}]({name})" for name in plots]
    parts += [method(run), "## Scene by scene"]
    parts += [scene_table(name, figures) for name in figures]
    parts += [growth_table(figures)]
    versions = [f"* {name}: {text}" for name, text in run["environment"]["versions"].items()]
    parts += ["## Versions", "\n".join(versions)]
    return "\n\n".join(part for part in parts if part) + "\n"
