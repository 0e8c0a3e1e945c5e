"""Instructions per connection and per message, which a busy machine does not change.

A child process runs each scene under valgrind's callgrind, once and then UNITS times more, and the difference is
divided by UNITS, so that what valgrind, the interpreter's start and the driver cost cancels out. Counts belong to one
version of Python, one compiler and one type of machine; the baseline says which.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers, scene
from benchmarks.asgi import Exchange, Opening, scope_of

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
UNITS = 200
WARMUP = 200
ALLOWED_GROWTH = 0.03

# What is counted, and for whom. The first peer is ours, the second the one whose ratio is asked for.
SCENES = {
    "connection": ["wirefast", "wirefast_limited", "fastapi", "starlette_bare"],
    "JSON message": ["wirefast", "wirefast_limited", "fastapi", "floor"],
    "text message": ["wirefast", "wirefast_limited", "fastapi", "floor"],
}
#: Peers that need not be in the baseline: their ratio to ours is what counts.
UNSAVED = {"wirefast_limited"}
Counts = dict[str, dict[str, float]]


# ---- In the child, under valgrind ----


def scene_of(name: str, peer: str, loop: asyncio.AbstractEventLoop) -> Callable[[int], object]:
    """A function that does so many units of a scene."""
    if name == "connection":
        bare = peer == "starlette_bare"
        scope = scope_of("/json") if bare else scope_of(scene.PATH, scene.QUERY, scene.HEADERS)
        return Opening(loop, peers.build(peer), scope).run
    path, text = ("/json", scene.compact(scene.SMALL)) if name == "JSON message" else ("/text", "x" * 128)
    return Exchange(loop, peers.build(peer), scope_of(path), {"type": "websocket.receive", "text": text}).run


def child(peer: str, library: str) -> None:
    """Run every scene of a peer between dumps named ``SCENE:UNITS``."""
    switch = ctypes.CDLL(library)
    loop = asyncio.new_event_loop()
    kept = []
    for name in [name for name, names in SCENES.items() if peer in names]:
        run = scene_of(name, peer, loop)
        kept.append(run)  # its connection stays open to the end
        run(WARMUP)
        gc.collect()
        gc.disable()
        switch.start()
        run(1)
        switch.dump(b"warm")
        for units in (1, UNITS + 1):
            run(units)
            switch.dump(f"{name}:{units}".encode())
        switch.stop()
        gc.enable()
    os._exit(0)  # without closing them


# ---- In the parent ----


def run_child(peer: str, directory: Path) -> dict[str, Path]:
    """Count one peer; the dumps by name."""
    valgrind, compiler = shutil.which("valgrind"), shutil.which(os.environ.get("CC", "cc"))
    if valgrind is None or compiler is None:
        raise SystemExit("valgrind and a C compiler are needed")
    library = directory / "callgrind_switch.so"
    if not library.exists():
        source = HERE / "callgrind_switch.c"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    subprocess.run(
        [valgrind, "--tool=callgrind", "--quiet", "--instr-atstart=no", f"--callgrind-out-file={directory}/{peer}"]
        + [sys.executable, "-m", "benchmarks.instructions", "child", peer, str(library)],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        cwd=HERE.parent,
        check=True,
    )
    dumps = {}
    for path in directory.glob(f"{peer}.*"):
        found = re.search(r"^desc: Trigger: Client Request: (.*)$", path.read_text(), re.MULTILINE)
        if found:
            dumps[found[1]] = path
    return dumps


def total(dump: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
    assert found, f"{dump} holds no total"
    return int(found[1])


def count() -> Counts:
    """Instructions per unit: scene -> peer -> count."""
    counts: Counts = {name: {} for name in SCENES}
    with tempfile.TemporaryDirectory() as temporary:
        for peer in dict.fromkeys(peer for names in SCENES.values() for peer in names):
            dumps = run_child(peer, Path(temporary))
            for name in [name for name, names in SCENES.items() if peer in names]:
                difference = total(dumps[f"{name}:{UNITS + 1}"]) - total(dumps[f"{name}:1"])
                counts[name][peer] = round(difference / UNITS, 1)
    return counts


def profile(peer: str, name: str, lines: int) -> str:
    """The functions that a scene spends its instructions in."""
    with tempfile.TemporaryDirectory() as temporary:
        dump = run_child(peer, Path(temporary))[f"{name}:{UNITS + 1}"]
        command = ["callgrind_annotate", "--auto=no", "--show-percs=yes", "--threshold=99", str(dump)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "\n".join(text.splitlines()[: lines + 25])


def python() -> str:
    major, minor, _ = platform.python_version_tuple()
    return f"{platform.python_implementation()} {major}.{minor}"


def environment() -> dict[str, str]:
    """What the counts depend on."""
    packages = ["fastapi", "starlette", "pydantic", "orjson", "cython"]
    versions = {name: _version(name) for name in packages}
    return {"python": platform.python_version(), "machine": platform.machine(), **versions}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def table(counts: Counts) -> str:
    """Counts and ratios as Markdown."""
    lines = [f"Instructions per unit, {python()}", "", "| | peer | instructions | over ours |", "|---|---|---:|---:|"]
    for name, by_peer in counts.items():
        ours = by_peer[peers.OURS]
        lines += [f"| {name} | {peer} | {value:,.0f} | {value / ours:.2f} |" for peer, value in by_peer.items()]
    return "\n".join(lines)


def load_baseline() -> dict[str, dict[str, object]]:
    return json.loads(BASELINE.read_text()) if BASELINE.exists() else {}


def regressions(counts: Counts, baseline: Counts) -> list[str]:
    """Our own scenes that take more than ALLOWED_GROWTH more than they did."""
    found = []
    for name, by_peer in counts.items():
        before, now = baseline[name][peers.OURS], by_peer[peers.OURS]
        if now > before * (1 + ALLOWED_GROWTH):
            found.append(f"{name}: {now:,.0f} instructions, {now / before - 1:+.1%} over the baseline's {before:,.0f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("count", help="print the table (the default)")
    commands.add_parser("save", help="write the counts of this version of Python into baseline.json")
    commands.add_parser("compare", help="exit with 1 when a scene of ours grew by more than 3 %% over baseline.json")
    profiling = commands.add_parser("profile", help="the functions that a scene spends its instructions in")
    profiling.add_argument("scene", choices=list(SCENES))
    profiling.add_argument("--peer", default=peers.OURS)
    profiling.add_argument("--lines", type=int, default=60)
    hidden = commands.add_parser("child")
    hidden.add_argument("peer")
    hidden.add_argument("library")
    arguments = parser.parse_args()
    if arguments.command == "child":
        return child(arguments.peer, arguments.library)
    if arguments.command == "profile":
        return print(profile(arguments.peer, arguments.scene, arguments.lines))
    counts = count()
    print(table(counts))
    if arguments.command == "save":
        saved = load_baseline() | {python(): {"environment": environment(), "counts": counts}}
        BASELINE.write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n")
    elif arguments.command == "compare":
        entry = load_baseline().get(python())
        if entry is None:
            raise SystemExit(f"baseline.json has no counts for {python()}: make them with `save`")
        if entry["environment"] != environment():
            print(f"\nThe baseline was made with {entry['environment']}, this is {environment()}.")
        found = regressions(counts, entry["counts"])
        print("", *(found or ["No regression."]), sep="\n")
        raise SystemExit(1 if found else 0)
    return None


if __name__ == "__main__":
    main()
