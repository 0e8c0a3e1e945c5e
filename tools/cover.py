"""Line coverage of the compiled modules: a traced build, the suite over it, and what no test reached.

    python tools/cover.py                        everything, and a table of each .pyx and .pxd
    python tools/cover.py tests/core/test_solver.py   what some tests reach
    python tools/cover.py --keep build/coverage  leaves the tree, the environment in it and what was measured

Needs the environment that ``pip install -e '.[dev]'`` makes, and git. Nothing is built where the sources are: the files
that git tracks are copied, the copy is built with WIREFAST_COVERAGE=1 and installed into an environment of its own that
sees the packages of this one. Cython's plugin looks for the generated C beside its .pyx: in the copy it lies there.

Lines run in server processes that a test starts are not counted, those in servers in threads are. The exit code is
pytest's.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: They run no compiled code in this process, or say what lies beside it in a tree that was not prepared for coverage.
WITHOUT = (
    "csrc project/test_benchmarks.py project/test_layers.py project/test_leaks.py project/test_packaging.py "
    "project/test_typing.py project/test_wheels.py project/test_wire_benchmark.py"
).split()

SETTINGS = """\
[run]
plugins = Cython.Coverage
include =
    src/wirefast/**/*.pyx
    src/wirefast/**/*.pxd
[report]
show_missing = true
"""


def run(*command: str | Path, cwd: Path, **variables: str) -> None:
    """A command that has to succeed."""
    subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **variables}, check=True)


def copy(tree: Path) -> None:
    """The tracked files, and those that will be."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def build(tree: Path) -> Path:
    """Build the copy, install it, and return the Python that imports it."""
    environment = tree / ".venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tree)
    python = environment / "bin/python"
    packages = environment / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    (packages / "tools.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", "."]
    run(python, *install, cwd=tree, WIREFAST_COVERAGE="1")
    generated = tree / "build/cython-coverage"
    for file in generated.rglob("*.c"):
        # Of which .pxd a line is the plugin only finds where the path is right from the root of the tree.
        text = file.read_text(encoding="utf-8").replace('/* "wirefast/', '/* "src/wirefast/')
        (tree / file.relative_to(generated)).write_text(text, encoding="utf-8")
    return python


@contextlib.contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="wirefast-cover-") as name:
            yield Path(name)
    else:
        if keep.exists() and any(keep.iterdir()) and not (keep / ".coveragerc").exists():
            raise SystemExit(f"{keep} holds something else")
        shutil.rmtree(keep, ignore_errors=True)
        keep.mkdir(parents=True)
        yield keep.resolve()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests over a traced build; show the lines no test reached.")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="build there, over what is there, and leave it")
    parser.add_argument("tests", nargs="*", help="for pytest; default: all that can count")
    options = parser.parse_args()
    if absent := [name for name in ("coverage", "Cython", "pytest") if importlib.util.find_spec(name) is None]:
        parser.error(f"{sys.executable} has no {', '.join(absent)}; install what '.[dev]' needs there")
    chosen = options.tests or ["tests", *(f"--ignore=tests/{name}" for name in WITHOUT)]
    with folder(options.keep) as tree:
        copy(tree)
        python = build(tree)
        (tree / ".coveragerc").write_text(SETTINGS)
        # The tracer that plugins work with, which is not every Python's default.
        variables = {"WIREFAST_SLOWER": "100", **os.environ, "COVERAGE_CORE": "ctrace"}
        command = [python, "-m", "coverage", "run", "-m", "pytest", "-p", "no:cacheprovider", *chosen]
        code = subprocess.run(command, cwd=tree, env=variables).returncode
        print(flush=True)
        run(python, "-m", "coverage", "report", cwd=tree)
    return code


if __name__ == "__main__":
    sys.exit(main())
