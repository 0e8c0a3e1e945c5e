"""The C checks: each is a program of its own, built with all warnings and both sanitizers, and run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
FLAGS = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


@pytest.fixture
def run_check(tmp_path):
    """Builds tests/csrc/<program>.c with the named files of csrc/ and runs it; what it prints is its output."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or "cc"

    def run(program, *sources):
        binary = tmp_path / program
        files = [HERE / f"{program}.c", *(CSRC / source for source in sources)]
        command = [*compiler.split(), *FLAGS, *SANITIZE, f"-I{CSRC}", *map(str, files), "-o", str(binary)]
        built = subprocess.run(command, capture_output=True, text=True)
        assert built.returncode == 0, built.stderr
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        done = subprocess.run([binary], capture_output=True, text=True, env=environment, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
