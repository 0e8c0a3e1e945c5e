"""The C checks: each is a program of its own, built with all warnings and both sanitizers, and run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
FLAGS = ["-std=c11", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZE = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]

#: Each program with the files of csrc/ that it is linked with; some include a file instead.
CHECKS = {
    "frame_check": ["frame.c"],
    "mask_check": ["mask.c"],
    "members_check": ["members.c"],
    "mask_portable_check": [],
    "path_pattern_check": ["path_pattern.c"],
    "path_trie_check": ["path_trie.c", "path_pattern.c"],
    "path_trie_inside_check": ["path_pattern.c"],
    "path_trie_memory_check": ["path_pattern.c"],
    "poller_check": [],
    "query_check": ["query.c"],
    "stream_check": [],
    "utf8_check": ["utf8.c"],
}


@pytest.fixture
def checks():
    return CHECKS


@pytest.fixture
def run_check(tmp_path):
    """Builds a program of CHECKS and runs it in ``tmp_path``; what it prints is its output."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or "cc"

    def run(program, *options, csrc=CSRC):
        files = [HERE / f"{program}.c", *(csrc / source for source in CHECKS[program])]
        command = [*compiler.split(), *FLAGS, f"-I{csrc}", *(options or SANITIZE), *map(str, files), "-o", program]
        built = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert built.returncode == 0, built.stderr
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        done = subprocess.run(
            [tmp_path / program], capture_output=True, text=True, env=environment, timeout=120, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
