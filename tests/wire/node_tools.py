"""Node's tools for tests: TypeScript, Prettier, AsyncAPI's parser and frameworks, installed once into build/node.

A test that needs them is skipped, and says why, where node or npm is missing or the packages cannot be had.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from processes import foreign

#: What the tests were written for; the newest of each may differ.
PACKAGES = {
    "typescript": "^7.0.0",
    "prettier": "^3.0.0",
    "@asyncapi/parser": "^3.6.0",
    "react": "^19.0.0",
    "@types/react": "^19.0.0",
    "vue": "^3.5.0",
}
FOLDER = Path(os.environ.get("WIREFAST_NODE_TOOLS") or Path(__file__).parents[2] / "build" / "node")
PATIENCE = 300.0


def run(*command: str | Path, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; one that fails is an AssertionError with what it said."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=foreign(), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@lru_cache(maxsize=1)
def _missing() -> str | None:
    """Install the packages; return why they cannot be used, None where they can."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"needs {program}"
    if int(run("node", "--version").stdout.lstrip("v").split(".")[0]) < 20:
        return "needs node 20"
    wanted = json.dumps({"private": True, "dependencies": PACKAGES})
    manifest = FOLDER / "package.json"
    if manifest.is_file() and manifest.read_text() == wanted and (FOLDER / "installed").is_file():
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    manifest.write_text(wanted)
    done = run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", cwd=FOLDER, check=False)
    if done.returncode:
        return f"npm cannot install {', '.join(PACKAGES)}: {done.stderr[-300:]}"
    (FOLDER / "installed").touch()
    return None


def tool(name: str) -> Path:
    """Return the program of a package, or skip the test."""
    if why := _missing():
        pytest.skip(why)
    return FOLDER / "node_modules" / ".bin" / name


def package(name: str, versions: str) -> Path:
    """Return the folder of a package alone, without what it depends on: its bundles for browsers; or skip the test."""
    if why := _missing():
        pytest.skip(why)
    folder = FOLDER / "alone" / re.sub(r"\W+", "-", f"{name}@{versions}")
    if not (folder / "package" / "package.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        done = run("npm", "pack", "--silent", "--ignore-scripts", f"{name}@{versions}", cwd=folder, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot get {name}: {done.stderr[-300:]}")
        run("tar", "xzf", done.stdout.split()[-1], cwd=folder)
    return folder / "package"


def compile_typescript(*files: Path, out: Path) -> None:
    """Compile as strictly as the compiler can, to modules that Node and browsers read."""
    run(
        tool("tsc"), "--strict", "--noUncheckedIndexedAccess", "false", "--noImplicitOverride", "--noImplicitReturns",
        "--target", "es2022", "--lib", "es2022,dom", "--module", "es2022", "--moduleResolution", "bundler",
        "--outDir", out, *files,
    )  # fmt: skip


def node_command() -> list[str]:
    """Return the program; Node 20 has its WebSocket behind a flag."""
    major = int(re.findall(r"\d+", run("node", "--version").stdout)[0])
    return ["node", *(["--experimental-websocket", "--no-warnings"] if major < 22 else [])]


def node(script: Path, *arguments: str) -> str:
    """Run a script to its end; return what it wrote."""
    return run(*node_command(), script, *arguments).stdout
