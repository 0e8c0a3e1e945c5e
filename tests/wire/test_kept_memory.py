"""The server keeps the memory of large messages, so that the next ones do not fault in their pages again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ,
    reason="other C libraries, and a sanitizer's malloc, have no such setting",
)

# Faults of the pages of 100 messages of a MiB, of which three are alive at once.
PROGRAM = """
import resource, sys
from wirefast.server.reactor import keep_memory
if sys.argv[1] == "kept":
    keep_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def message():
    return [bytes(2**20) + b"x" for _ in range(3)]

for _ in range(5):
    message()
before = faults()
for _ in range(100):
    message()
print(faults() - before)
"""


def faults(*, kept: bool, **environment: str) -> int:
    settings = ("MALLOC_", "GLIBC_", "PYTHONMALLOC")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "kept" if kept else "as it is"],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return int(done.stdout)


def test_large_messages_use_the_same_pages() -> None:
    assert faults(kept=True) < 1000
    assert faults(kept=False) > 10_000


@pytest.mark.parametrize(
    "setting", [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"}]
)
def test_a_setting_of_the_environment_stays_in_force(setting: dict[str, str]) -> None:
    assert faults(kept=True, **setting) > 10_000
