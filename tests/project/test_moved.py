"""tools/moved.py: modules of a small source distribution, moved; what fares otherwise is found."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
TOOL = Path(__file__).parents[2] / "tools" / "moved.py"
SAME = """
from fastapi import FastAPI

app = FastAPI()
"""
OTHERWISE = (
    SAME
    + """
import sys

if "fast" "api" not in sys.modules:
    raise LookupError("moved")
"""
)


def moved(folder: Path, **modules: str) -> subprocess.CompletedProcess[str]:
    if not all(shutil.which(program) for program in ("bash", "git", "perl")):
        pytest.skip("needs bash, git and perl")
    sdist = folder / "fastapi.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for name, code in modules.items():
            member = tarfile.TarInfo(f"fastapi-0/docs_src/{name}/tutorial001.py")
            member.size = len(code)
            archive.addfile(member, io.BytesIO(code.encode()))
    return subprocess.run([sys.executable, str(TOOL), str(sdist)], capture_output=True, text=True, timeout=300)


def test_what_fares_alike(tmp_path: Path) -> None:
    done = moved(tmp_path, served=SAME, wanting="import no_such_package", plain="x = 1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 modules, 2 import and serve with FastAPI, 0 fare otherwise moved" in done.stdout
    assert "both ways, ModuleNotFoundError: docs_src.wanting.tutorial001" in done.stdout


def test_what_fares_otherwise(tmp_path: Path) -> None:
    done = moved(tmp_path, served=SAME, other=OTHERWISE)
    assert done.returncode == 1
    assert "docs_src.other.tutorial001: served, document 200, moved failed: LookupError" in done.stdout
