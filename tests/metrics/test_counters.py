"""Counters, histograms and what a snapshot has of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from wirefast.metrics import counters
from wirefast.metrics.counters import Counter, Family, Histogram


@pytest.fixture
def family(request: pytest.FixtureRequest) -> Family:
    return Family(f"test_{request.node.name}_total", ("a", "b"))


def test_it_is_the_compiled_module() -> None:
    assert counters.__file__.endswith(".so")


def test_a_counter() -> None:
    counter = Counter()
    counter.add()
    counter.add(41)
    assert counter.value == 42
    with pytest.raises((OverflowError, ValueError)):
        counter.add(-1)


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram((1, 2.5))
    for value in (0.5, 1, 1.1, 2.5, 3, 100):
        histogram.observe(value)
    assert histogram.numbers() == [2, 2, 2, 108.1]


@pytest.mark.parametrize("bounds", [(), (2, 1), (1, 1), range(25)])
def test_bounds_that_are_none(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 24 bounds that ascend"):
        Histogram(bounds)


def test_most_bounds() -> None:
    histogram = Histogram(range(24))
    histogram.observe(1000)
    assert histogram.numbers()[24] == 1


def test_one_counter_for_the_same_labels(family: Family) -> None:
    assert family.of("x", "y") is family.of("x", "y")
    assert family.of("x", "y") is not family.of("y", "x")
    with pytest.raises(ValueError, match="has the labels"):
        family.of("x")


def test_series_are_bounded(family: Family) -> None:
    for number in range(1000):
        family.of(str(number), "").add()
    family.of("one", "more").add()
    family.of("and", "another").add()
    assert len(family.series) == 1001
    assert family.of("other", "other").value == 2


def test_a_name_is_used_once(family: Family) -> None:
    with pytest.raises(ValueError, match="already"):
        Family(family.name)


def test_a_snapshot_is_json_and_asks_the_readers(family: Family) -> None:
    family.of("x", "y").add(3)

    def reader() -> Iterator[tuple[str, tuple[str, ...], int]]:
        yield "test_gauge", ("r",), 2
        yield "test_gauge", ("r",), 3
        yield family.name, ("x", "y"), 4

    def broken() -> Iterator[tuple[str, tuple[str, ...], int]]:
        raise RuntimeError("broken")
        yield

    for one in (reader, broken):
        counters.add_reader(one)
    try:
        found = json.loads(json.dumps(counters.snapshot()))
    finally:
        for one in (reader, broken):
            counters.remove_reader(one)
    assert found["test_gauge"] == {"r": 5}
    assert found[family.name] == {"x\ty": 7}
    assert "test_gauge" not in counters.snapshot()
