"""Serve each application of FastAPI's documentation by `wirefast run --as-fastapi`, unchanged, and get its document.

    python tools/fastapi_tutorial.py fastapi-0.165.0 [--jobs 2] [--only websockets]

The argument is FastAPI's unpacked source release. Nothing is fetched. A module without an application is imported under
the alias. What a module needs that is not installed here is named, and is no failure. The exit code is 1 for one.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

#: Seconds for one application, from its start to its answer.
PATIENCE = 120.0
#: Directories that applications want beside them.
BESIDE = ("static", "templates", "dist", "frontend/dist")
#: What runs under FastAPI as little: a name that the page leaves to its reader, and a script that wants a file.
FRAGMENTS = {"docs_src.dependencies.tutorial008", "docs_src.generate_clients.tutorial004"}
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


def imported(name: str, root: Path) -> tuple[int, str]:
    """Import a module under the alias; the exit code and what was said."""
    program = f"import wirefast.as_fastapi, importlib; importlib.import_module({name!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stderr


def served(name: str, root: Path) -> tuple[int, str]:
    """Serve an application and ask for its document; 0 for an answer, and what was said otherwise."""
    command = [sys.executable, "-m", "wirefast", "run", "--as-fastapi", "--port", "0", "--no-control", f"{name}:app"]
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

        def one(path: Path) -> tuple[str, str, str]:
            name = name_of(path, options.source)
            serves = SERVES.search(path.read_text(encoding="utf-8")) is not None
            code, said = served(name, root) if serves else imported(name, root)
            if code == 0:
                return name, "served" if serves else "imported", ""
            if name in FRAGMENTS:
                return name, "a fragment", ""
            lacks = MISSING.search(said)
            if lacks is not None:
                return name, "lacks a package", lacks[1] or lacks[2]
            return name, "failed", said.strip().splitlines()[-1] if said.strip() else f"exit code {code}"

        with ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(one, found))
    for name, outcome, why in results:
        if why:
            print(f"{outcome}: {name}: {why}")
    kinds = ("served", "imported", "a fragment", "lacks a package", "failed")
    counts = {kind: sum(outcome == kind for _, outcome, _ in results) for kind in kinds}
    print(f"{len(results)} modules: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
