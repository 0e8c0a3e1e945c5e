"""Moves the applications of FastAPI's documentation by the command of docs/moving.md, and compares how they fare.

    python tools/moved.py FASTAPI-0.165.0.tar.gz    # of: pip download --no-binary :all: --no-deps fastapi==0.165.0

Each module below ``docs_src`` is imported in a process of its own, once as it is and once moved; where it has an
application, its lifespan runs and its OpenAPI document is asked for. Exit code 1 for a module that fares otherwise
after the move. Packages and files that an example wants and that are not here make it fail both ways, and it is named.
Needs bash, git, perl and the ``test`` extra; POSIX.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import select
import signal
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "moving.md"
PATIENCE = 60.0


def command() -> str:
    """The command that the page gives."""
    found = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return next(code for code in found if "perl -pi" in code)


def move(folder: Path) -> None:
    """Run the command over a tree that git keeps."""
    for words in (["git", "init", "-q"], ["git", "add", "."], ["bash", "-ec", command()]):
        subprocess.run(words, cwd=folder, check=True, capture_output=True)


def modules_of(folder: Path) -> list[str]:
    paths = [path for path in (folder / "docs_src").rglob("*.py") if not path.name.startswith(("__init__", "test_"))]
    return sorted(".".join(path.relative_to(folder).with_suffix("").parts) for path in paths)


def fate(name: str) -> str:
    """What becomes of a module: how its document is answered, that it has none, or the kind of its error."""
    from starlette.applications import Starlette  # the test extra's, like the next
    from starlette.testclient import TestClient

    try:
        app = getattr(importlib.import_module(name), "app", None)
        if not isinstance(app, Starlette):
            return "imported"
        url = getattr(app, "openapi_url", None)
        with TestClient(app) as client:
            return f"served, document {client.get(url).status_code if url else 'off'}"
    except BaseException as exc:
        return f"failed: {type(exc).__name__}"


def fates(folder: Path) -> dict[str, str]:
    """Of each module, in a child of this process, which has the framework imported."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    found = {}
    for name in modules_of(folder):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            warnings.simplefilter("ignore")
            os.write(write, fate(name).encode())
            os._exit(0)
        os.close(write)
        if not select.select([read], [], [], PATIENCE)[0]:
            os.kill(child, signal.SIGKILL)
        found[name] = os.read(read, 4096).decode() or "failed: no end"
        os.waitpid(child, 0)
        os.close(read)
    return found


def in_a_process(folder: Path, framework: str) -> dict[str, str]:
    words = [sys.executable, __file__, "--fates", str(folder), framework]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(line.split("\t") for line in done.stdout.splitlines())


def main() -> int:
    if sys.argv[1:2] == ["--fates"]:
        importlib.import_module(sys.argv[3])
        for name, words in fates(Path(sys.argv[2])).items():
            print(f"{name}\t{words}")
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sdist", type=Path, help="FastAPI's source distribution")
    with tempfile.TemporaryDirectory() as directory, tarfile.open(parser.parse_args().sdist) as archive:
        members = [member for member in archive.getmembers() if "/docs_src/" in member.name]
        trees = [Path(directory, name) for name in ("before", "after")]
        for tree in trees:
            for member in members:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    path = tree / member.name.partition("/")[2]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.read())
        move(trees[1])
        before, after = in_a_process(trees[0], "fastapi"), in_a_process(trees[1], "wirefast")
    failed = {name: words for name, words in before.items() if words.startswith("failed")}
    otherwise = {name: (words, after.get(name, "gone")) for name, words in before.items() if after.get(name) != words}
    served = len(before) - len(failed)
    print(f"{len(before)} modules, {served} import and serve with FastAPI, {len(otherwise)} fare otherwise moved")
    for name, (was, words) in otherwise.items():
        print(f"  {name}: {was}, moved {words}")
    for name, words in failed.items():
        print(f"  both ways, {words.removeprefix('failed: ')}: {name}")
    return int(bool(otherwise))


if __name__ == "__main__":
    sys.exit(main())
