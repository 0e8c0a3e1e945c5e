"""The settings of pytest: strict for the tests of the project, and not in the way of a newcomer's tests beside them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_warning_is_an_error_here() -> None:
    with pytest.raises(UserWarning, match="said"):
        warnings.warn("said", stacklevel=1)


def test_benchmarks_are_off_here(request: pytest.FixtureRequest) -> None:
    assert request.config.option.benchmark_disable


def test_tests_of_a_file_stay_together() -> None:
    pytest.importorskip("xdist")
    command = [sys.executable, "-m", "pytest", "-n", "1", "-v", "-p", "no:cacheprovider", "tests/core/test_scope.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "scheduling tests via LoadFileScheduling" in done.stdout, done.stdout + done.stderr


def test_a_newcomers_tests_need_no_plugin(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "test_mine.py").write_text(
        "import warnings\n\n\ndef test_mine():\n    warnings.warn('mine')\n"
    )
    without = [word for name in ("xdist", "benchmark", "asyncio") for word in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", *without, "-p", "no:cacheprovider", "mine"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
