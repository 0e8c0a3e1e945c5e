"""Random applications and handshakes, built on both frameworks and compared trace by trace.

By default a fixed set of 200 examples. ``WIREFAST_COMPAT_EXAMPLES=20000`` draws that many fresh ones:

    WIREFAST_COMPAT_EXAMPLES=20000 python -m pytest tests/compat/test_random.py
"""

import os

import pytest
from hypothesis import HealthCheck, given, note, settings

from compat.generate import Case, cases
from compat.harness import compare
from compat.source import written

EXAMPLES = os.environ.get("WIREFAST_COMPAT_EXAMPLES")


@pytest.mark.census("F", "G", "H", "I", "B13")
@settings(
    max_examples=int(EXAMPLES or 200),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_random_applications(case: Case) -> None:
    note(case.source)
    for connection in case.connections:
        note(str(connection))
    compare(written(case.source, case.mixed), *case.connections, may_refuse=True)
