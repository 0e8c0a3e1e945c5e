"""tools/fastapi_tutorial.py, over three modules in the place of FastAPI's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from processes import TIMEOUT, environment

TOOL = Path(__file__).parents[2] / "tools" / "fastapi_tutorial.py"


def test_it_serves_imports_and_tells_what_fails(tmp_path: Path) -> None:
    folder = tmp_path / "docs_src" / "first"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "served.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    (folder / "imported.py").write_text("from fastapi import Depends\n")
    (folder / "lacking.py").write_text("import no_such_package\n")
    command = [sys.executable, str(TOOL), str(tmp_path)]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "lacks a package: docs_src.first.lacking: no_such_package",
        "3 modules: 1 served, 1 imported, 0 a fragment, 1 lacks a package, 0 failed",
    ]
    (folder / "broken.py").write_text("from fastapi import FastAPI\napp = FastAPI(1 / 0)\n")
    done = run()
    assert done.returncode == 1 and "failed: docs_src.first.broken: " in done.stdout
