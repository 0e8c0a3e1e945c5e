"""Serve each application of FastAPI's documentation, unchanged, by FastAPI and by wirefast, and get its document.

    python tools/fastapi_tutorial.py fastapi-0.165.0 [--jobs 2] [--only websockets]

The argument is FastAPI's unpacked source release; FastAPI itself has to be installed. Nothing is fetched. FastAPI
serves by `uvicorn`, wirefast by `wirefast run --as-fastapi`. A module without an application is imported, under the
alias for wirefast. What a module needs that is not installed here is named. The exit code is 1 where FastAPI does what
wirefast does not.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

#: Seconds for one application, from its start to its answer.
PATIENCE = 120.0
#: Directories that applications want beside them, and the files that some want in each.
BESIDE = ("static", "templates", "dist", "frontend/dist")
PAGES = ("index.html", "404.html")
KINDS = ("served", "imported", "lacks a package", "failed")
SERVES = re.compile(r"^app(: *FastAPI)? *=", re.MULTILINE)
ADDRESS = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
MISSING = re.compile(
    r"No module named '(?!docs_src|fastapi|wirefast)([\w.]+)'|requires? \"?([\w-]+)\"? to be installed"
)


def modules(source: Path, only: str) -> list[Path]:
    """The modules of the examples, without their tests."""
    found = sorted((source / "docs_src").rglob("*.py"))
    return [path for path in found if only in path.as_posix() and not path.name.startswith(("__init__", "test_"))]


def name_of(path: Path, source: Path) -> str:
    return ".".join(path.relative_to(source).with_suffix("").parts)


class Framework(NamedTuple):
    """Who serves.

    Attributes:
        name: in the table.
        command: what serves an application, which follows.
        prelude: Python code before an import.
    """

    name: str
    command: tuple[str, ...]
    prelude: str


FASTAPI = Framework("fastapi", ("uvicorn",), "")
WIREFAST = Framework("wirefast", ("wirefast", "run", "--as-fastapi", "--no-control"), "import wirefast.as_fastapi; ")


def imported(name: str, root: Path, by: Framework) -> tuple[int, str]:
    """Import a module; the exit code and what was said."""
    program = f"{by.prelude}import importlib; importlib.import_module({name!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stderr


def served(name: str, root: Path, by: Framework) -> tuple[int, str]:
    """Serve an application and ask for its document; 0 for an answer, and what was said otherwise."""
    command = [sys.executable, "-m", *by.command, "--port", "0", f"{name}:app"]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, cwd=root, stdout=log, stderr=log, stdin=subprocess.DEVNULL, text=True)
        try:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                log.seek(0)
                said = log.read()
                if (found := ADDRESS.search(said)) is not None:
                    return answer(f"{found[1]}/openapi.json")
                if server.poll() is not None:
                    return server.returncode or 1, said
                time.sleep(0.05)
            return 1, f"no answer in {PATIENCE:g} s\n{said}"
        finally:
            server.terminate()
            server.wait(PATIENCE)


class Result(NamedTuple):
    """What became of a module, and why where it was neither served nor imported."""

    outcome: str
    why: str = ""


def tried(path: Path, name: str, root: Path, by: Framework) -> Result:
    """Serve a module that has an application, and import any other."""
    serves = SERVES.search(path.read_text(encoding="utf-8")) is not None
    code, said = (served if serves else imported)(name, root, by)
    if code == 0:
        return Result("served" if serves else "imported")
    if (lacks := MISSING.search(said)) is not None:
        return Result("lacks a package", lacks[1] or lacks[2])
    return Result("failed", said.strip().splitlines()[-1] if said.strip() else f"exit code {code}")


class _Stays(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer too."""

    def redirect_request(self, *arguments: object) -> None:
        return None


def answer(url: str) -> tuple[int, str]:
    """Ask once. An application may have its document elsewhere, or none: any answer of its own will do."""
    try:
        with urllib.request.build_opener(_Stays).open(url, timeout=PATIENCE) as response:
            return 0, str(response.status)
    except urllib.error.HTTPError as exc:
        return int(exc.code >= 500), f"{url}: {exc}"
    except OSError as exc:
        return 1, f"{url}: {exc}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="FastAPI's unpacked source release")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="modules whose path has this text")
    options = parser.parse_args()
    found = modules(options.source, options.only)
    if not found:
        parser.error(f"there is no docs_src with such modules in '{options.source}'")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(options.source / "docs_src", root / "docs_src")
        for beside in BESIDE:
            (root / beside).mkdir(parents=True)
            for page in PAGES:
                (root / beside / page).write_text("<!doctype html><title>A page</title>", encoding="utf-8")

        def both(path: Path) -> tuple[str, Result, Result]:
            name = name_of(path, options.source)
            return name, tried(path, name, root, FASTAPI), tried(path, name, root, WIREFAST)

        with ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(both, found))
    return report(results)


def report(results: list[tuple[str, Result, Result]], say: Callable[[str], None] = print) -> int:
    """Print what did not work and the table; return 1 where FastAPI does what wirefast does not."""
    for name, *each in results:
        for by, result in zip((FASTAPI, WIREFAST), each, strict=True):
            if result.why:
                say(f"{by.name}: {result.outcome}: {name}: {result.why}")
    say(f"{len(results)} modules".ljust(15) + "".join(kind.rjust(17) for kind in KINDS))
    for place, by in enumerate((FASTAPI, WIREFAST), 1):
        outcomes = [each[place].outcome for each in results]
        say(by.name.ljust(15) + "".join(str(outcomes.count(kind)).rjust(17) for kind in KINDS))
    lost = [name for name, theirs, ours in results if not theirs.why and ours.why]
    say("FastAPI alone: " + (", ".join(lost) or "none"))
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
