"""How everything here is measured: fixed work per round, CPU time, a fixed number of rounds."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks import peers

ROUNDS = 40
WARMUP_ROUNDS = 3


def pytest_report_header() -> str:
    absent = f"; absent: {', '.join(peers.ABSENT)}" if peers.ABSENT else ""
    return f"peers: {', '.join(peers.INSTALLED)}{absent}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Of the process, user and system: what others do on the machine counts less than in wall time.
        item.add_marker(pytest.mark.benchmark(timer=time.process_time))


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def measure(benchmark: Any) -> Callable[..., None]:
    """``measure(work, units, step=, case=, peer=)``: time ``work()``, which does ``units`` of the thing measured.

    The report divides by ``units`` and compares the peers of one ``step`` and ``case``.
    """

    def measure(work: Callable[[], Any], units: int, *, step: str, case: str, peer: str) -> None:
        benchmark.group = f"{step}: {case}"
        benchmark.extra_info.update(units=units, step=step, case=case, peer=peer, absent=peers.ABSENT)
        benchmark.pedantic(work, rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)

    return measure
