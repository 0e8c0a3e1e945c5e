"""tools/fastapi_tutorial.py, over four modules in the place of FastAPI's."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from processes import TIMEOUT, environment

TOOL = Path(__file__).parents[2] / "tools" / "fastapi_tutorial.py"


pytest.importorskip("fastapi", reason="FastAPI 0.165 needs Python 3.11")


def test_it_serves_imports_and_tells_what_fails(tmp_path: Path) -> None:
    folder = tmp_path / "docs_src" / "first"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "served.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    (folder / "imported.py").write_text("from fastapi import Depends\n")
    (folder / "lacking.py").write_text("import no_such_package\n")
    (folder / "broken.py").write_text("1 / 0\n")
    command = [sys.executable, str(TOOL), str(tmp_path)]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "fastapi: failed: docs_src.first.broken: ZeroDivisionError: division by zero",
        "wirefast: failed: docs_src.first.broken: ZeroDivisionError: division by zero",
        "fastapi: lacks a package: docs_src.first.lacking: no_such_package",
        "wirefast: lacks a package: docs_src.first.lacking: no_such_package",
        "4 modules                 served         imported  lacks a package           failed",
        "fastapi                        1                1                1                1",
        "wirefast                       1                1                1                1",
        "FastAPI alone: none",
    ]


def test_what_fastapi_alone_does_is_a_failure() -> None:
    lines: list[str] = []
    tool = runpy.run_path(str(TOOL))
    served, failed = tool["Result"]("served"), tool["Result"]("failed", "KeyError: 'x'")
    assert tool["report"]([("a", served, served), ("b", served, failed), ("c", failed, failed)], lines.append) == 1
    assert lines[-1] == "FastAPI alone: b"
    assert tool["report"]([("a", failed, served)], lines.append) == 0
