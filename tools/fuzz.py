"""Every fuzz target for a time: the C ones with libFuzzer, those of the wire in Python.

    python tools/fuzz.py                    ten seconds in all, as CI does
    python tools/fuzz.py --seconds 14400    four hours in all; add --jobs 2 for two targets at a time
    python tools/fuzz.py --only query_fuzz --seconds 600 --corpus corpus

Needs clang with libFuzzer for the C targets, and says so where it is not; the others need wirefast installed in this
environment (build it with WIREFAST_SANITIZE=1 to look for memory errors in them too, see tests/wire/fuzz/README.md).
The last lines are a table of executions and seconds; the exit code is 0 only when nothing was found.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
C_TARGETS = ROOT / "tests/csrc/fuzz"
WIRE_TARGETS = ROOT / "tests/wire/fuzz"

#: Each target of C_TARGETS, with the files of csrc/ that it is built from.
SOURCES = {
    "frame_fuzz": ["frame.c", "mask.c", "utf8.c"],
    "path_trie_fuzz": ["path_trie.c", "path_pattern.c"],
    "query_fuzz": ["query.c"],
}

#: Bytes of the longest input where 512 are too few, for many fields and for tables that grow.
LONGEST = {"path_trie_fuzz": 8192, "query_fuzz": 8192}

FLAGS = ["-std=c11", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]


@dataclass
class Result:
    target: str
    executions: int
    seconds: float
    found: str = ""


def has_libfuzzer(clang: str, folder: Path) -> bool:
    """Whether this clang can link a fuzz target; its runtime is a package of its own on some systems."""
    source = folder / "empty.c"
    source.write_text(
        "int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) { return data == 0 && size; }\n"
    )
    command = [clang, *FLAGS, str(source), "-o", str(folder / "empty")]
    return subprocess.run(command, capture_output=True).returncode == 0


def fuzz_c(clang: str, target: str, seconds: float, corpus: Path | None, folder: Path) -> Result:
    binary = folder / target
    files = [C_TARGETS / f"{target}.c", *(ROOT / "csrc" / name for name in SOURCES[target])]
    command = [clang, *FLAGS, f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'tests/csrc'}", *map(str, files), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        return Result(target, 0, 0.0, built.stderr)
    kept = (corpus or folder / "corpus") / target
    kept.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={max(1, round(seconds))}", f"-max_len={LONGEST.get(target, 512)}"]
    limits += ["-timeout=10", "-print_final_stats=1"]
    # What it finds is written where it was started, unless a corpus is kept.
    limits.append(f"-artifact_prefix={(corpus or ROOT)}/found-{target}-")
    started = time.monotonic()
    done = subprocess.run([binary, *limits, kept], capture_output=True, text=True)
    executions = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    count = int(executions[1]) if executions else 0
    found = "" if done.returncode == 0 and count else done.stderr[-6000:] or f"exit code {done.returncode}"
    return Result(target, count, time.monotonic() - started, found)


def fuzz_wire(target: str, seconds: float) -> Result:
    started = time.monotonic()
    command = [sys.executable, str(WIRE_TARGETS / f"{target}.py"), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    inputs = re.search(r": (\d+) inputs,", done.stdout)
    count = int(inputs[1]) if inputs else 0
    found = "" if done.returncode == 0 and count else done.stdout[-3000:] + done.stderr[-3000:]
    return Result(target, count, time.monotonic() - started, found)


def targets() -> Iterator[str]:
    yield from sorted(path.stem for path in C_TARGETS.glob("*_fuzz.c"))
    yield from sorted(path.stem for path in WIRE_TARGETS.glob("*.py") if path.stem != "driver")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the fuzz targets for a time.")
    parser.add_argument("--seconds", type=float, default=10.0, help="for all targets together; default: 10")
    parser.add_argument("--only", action="append", choices=sorted(targets()), help="this target; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time; default: 1")
    parser.add_argument("--corpus", type=Path, help="directory where libFuzzer keeps what it learnt and found")
    options = parser.parse_args()
    chosen = options.only or sorted(targets())
    each = options.seconds / len(chosen)
    clang = shutil.which("clang")

    with tempfile.TemporaryDirectory(prefix="wirefast-fuzz-") as name:
        folder = Path(name)
        if clang is not None and not has_libfuzzer(clang, folder):
            clang = None

        def one(target: str) -> Result | None:
            if target not in SOURCES:
                if importlib.util.find_spec("wirefast") is None:
                    print(f"{target}: left out, wirefast is not installed for {sys.executable}")
                    return None
                return fuzz_wire(target, each)
            if clang is None:
                print(f"{target}: left out, there is no clang with libFuzzer")
                return None
            return fuzz_c(clang, target, each, options.corpus, folder)

        with ThreadPoolExecutor(options.jobs) as pool:
            results = [result for result in pool.map(one, chosen) if result is not None]

    for result in results:
        if result.found:
            print(f"=== {result.target}\n{result.found}")
    print("| target | executions | seconds | findings |\n|---|---|---|---|")
    for result in results:
        print(f"| {result.target} | {result.executions:,} | {result.seconds:.0f} | {1 if result.found else 0} |")
    return 1 if any(result.found for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
