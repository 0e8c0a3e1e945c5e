import sys
from pathlib import Path

import pytest


def test_poller(run_check):
    assert "checks passed" in run_check("poller_check")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the test above runs over kqueue itself")
def test_the_part_for_kqueue(run_check):
    kqueue = Path(__file__).parent / "kqueue"
    sanitize = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    assert "checks passed" in run_check("poller_check", *sanitize, "-U__linux__", f"-I{kqueue}")
