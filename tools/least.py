"""The tests at the least versions that pyproject.toml allows, in an environment of their own.

    python tools/least.py                    all that can run without the oracle
    python tools/least.py tests/wire -x      some tests, and options of pytest

Each dependency, also of the extras that users install, is pinned to its lower bound; what only tests need is new.
FastAPI is left out, since it needs a newer Starlette than the least: the tests that compare with it are not run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("server", "redis", "nats", "forms", "testclient", "yaml")
# Of the extra test: those that pin or bring the oracle.
WITHOUT = ("fastapi", "starlette", "wirefast")


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return found[0].lower()


def least(requirement: str) -> str:
    """``name==its lower bound``, with the requirement's marker.

    Raises:
        SystemExit: the requirement has no lower bound.
    """
    bound = re.search(r">=\s*([\w.]+)", requirement)
    if bound is None:
        raise SystemExit(f"{requirement!r} in pyproject.toml has no lower bound")
    marker = requirement.partition(";")[2]
    return f"{name_of(requirement)}=={bound[1]}" + (f" ;{marker}" if marker else "")


def requirements() -> tuple[list[str], list[str]]:
    """What is pinned, and what is not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pinned = [*project["dependencies"], *(each for extra in EXTRAS for each in extras[extra])]
    newest = [each for each in extras["test"] if name_of(each) not in WITHOUT]
    names = {name_of(each) for each in pinned}
    return [least(each) for each in pinned], [each for each in newest if name_of(each) not in names]


def main() -> int:
    pinned, newest = requirements()
    with tempfile.TemporaryDirectory() as directory:
        environment = Path(directory) / "venv"
        venv.create(environment, with_pip=True)
        pip = [environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        constraints = Path(directory) / "least.txt"
        constraints.write_text("\n".join(pinned) + "\n", encoding="utf-8")
        print("least versions:", *pinned, sep="\n    ", flush=True)
        subprocess.run([*pip, "--constraint", constraints, f"{ROOT}[{','.join(EXTRAS)}]", *newest], check=True)
        options = sys.argv[1:] or ["--ignore=tests/csrc"]
        # What was built in the tree is not what was installed.
        command = [environment / "bin/pytest", "-p", "no:cacheprovider", *options]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
