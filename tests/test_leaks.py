"""Each script of tests/isolated in an interpreter of its own; what they check stands in tests/isolated/leaks.py."""

import subprocess
import sys
from pathlib import Path

import pytest

ISOLATED = Path(__file__).parent / "isolated"
SCRIPTS = sorted(path for path in ISOLATED.glob("*.py") if path.name != "leaks.py")


def test_there_are_scripts():
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_nothing_is_kept(script):
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
