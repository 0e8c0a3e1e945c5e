"""Counters and histograms that cost one addition for each event; a scrape reads them.

The server, rooms and typed messages write here; this module imports none of them. A state (open sockets, rooms, unsent
bytes) is no counter: each scrape calls a *reader* for it.
"""

cimport cython

from libc.stdint cimport uint64_t

import logging

logger = logging.getLogger("wirefast.metrics")

# name -> Family, and the callables that return gauges.
cdef dict families = {}
cdef list readers = []
cdef bint on = False


@cython.final
cdef class Counter:
    """A number that only grows.

    Attributes:
        value: the count so far.
    """

    def add(self, uint64_t number=1):
        """Count.

        Args:
            number: the number to add; not below 0. Default: 1.
        """
        self.value += number


@cython.final
cdef class Histogram:
    """Counts the values up to each of some bounds.

    Args:
        bounds: ascending, at most 24.

    Raises:
        ValueError: no bounds, too many bounds, or bounds that do not ascend.
    """

    def __init__(self, bounds):
        given = [float(bound) for bound in bounds]
        if not 0 < len(given) <= BOUNDS_MAX or given != sorted(set(given)):
            raise ValueError(f"a histogram has 1 to {BOUNDS_MAX} bounds that ascend, not {given}")
        self.size = <int> len(given)
        for index, bound in enumerate(given):
            self.bounds[<int> index] = bound

    cdef int note(self, double value) except -1:
        cdef int index = 0
        while index < self.size and value > self.bounds[index]:
            index += 1
        self.counts[index] += 1
        self.total += value
        return 0

    def observe(self, double value):
        """Note one value."""
        self.note(value)

    def numbers(self):
        """Return the counts, not added up, and the sum of all values."""
        return [*[self.counts[index] for index in range(self.size + 1)], self.total]


@cython.final
cdef class Family:
    """All series of one metric.

    Args:
        name: as Prometheus shows it.
        labels: names of the labels.
        bounds: the bounds of a histogram; None for a counter.
    """

    def __init__(self, str name not None, labels=(), bounds=None):
        self.name = name
        self.labels = tuple(labels)
        self.bounds = None if bounds is None else tuple(bounds)
        self.series = {}
        if name in families:
            raise ValueError(f"there is a metric {name} already")
        families[name] = self

    def of(self, *values):
        """Return the counter or histogram with these label values; made at the first use.

        Args:
            values: one for each label. Clients must not be able to choose them.

        Raises:
            ValueError: another number of values.
        """
        made = self.series.get(values)
        if made is None:
            if len(values) != len(self.labels):
                raise ValueError(f"{self.name} has the labels {self.labels}, not {len(values)}")
            if len(self.series) >= SERIES_MAX:
                values = ("other",) * len(self.labels)
                made = self.series.get(values)
            if made is None:
                made = self.series[values] = Counter() if self.bounds is None else Histogram(self.bounds)
        return made


def turn_on():
    """Turn counting on, for servers of this process that start later."""
    global on
    on = True


def is_on():
    """Whether the servers of this process count."""
    return on


def add_reader(reader):
    """Add a callable that each scrape calls.

    Args:
        reader: returns ``(name, label values, number)`` tuples; numbers of one series are added up. It must not raise.
    """
    readers.append(reader)


def remove_reader(reader):
    """Remove a callable."""
    if reader in readers:
        readers.remove(reader)


def snapshot():
    """Return all numbers of this process: name -> label values -> a number, or the numbers of a histogram.

    The label values are joined by a tabulator, so that the whole is JSON.
    """
    cdef dict found = {}
    cdef dict series
    for name, family in families.items():
        series = found[name] = {}
        for values, made in (<Family> family).series.items():
            key = "\t".join(values)
            series[key] = (<Counter> made).value if type(made) is Counter else made.numbers()
    for reader in readers:
        try:
            numbers = list(reader())
        except Exception:
            logger.exception("A reader of metrics failed")
            continue
        for name, values, number in numbers:
            series = found.setdefault(name, {})
            key = "\t".join(values)
            if type(number) is list and key in series:
                series[key] = [one + other for one, other in zip(series[key], number)]
            else:
                series[key] = series[key] + number if key in series else number
    return found
