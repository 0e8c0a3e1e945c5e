"""Every call of the system that our sockets make, failing: nothing is lost, one connection's fault is no other's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slower import SLOWER

HERE = Path(__file__).parent


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="calls are replaced by Linux's way of loading")
def test_calls_of_the_system_that_fail(tmp_path: Path, loop_name: str) -> None:
    compiler = os.environ.get("CC") or shutil.which("gcc") or "cc"
    library = tmp_path / "faults.so"
    command = [*compiler.split(), "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", HERE / "faults.c"]
    subprocess.run([*command, "-o", library, "-ldl"], check=True)
    # A sanitizer's library takes these calls too and does not call a library behind it, so the faults are before it. It
    # wants to be the first itself.
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join([str(library), *os.environ.get("LD_PRELOAD", "").split()]),
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    done = subprocess.run(
        [sys.executable, HERE / "faulty_sockets.py", loop_name, library],
        capture_output=True,
        text=True,
        timeout=120 * SLOWER,
        env=environment,
    )
    assert (done.returncode, done.stdout) == (0, "no call of the system is missed\n"), done.stderr
