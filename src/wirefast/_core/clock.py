"""Two functions that give the time to what expires without a timer. A test can move both.

Timers of wirefast are timers of the event loop, and what they wait for is measured by ``loop.time()``. What no timer
waits for, such as the end of a token or of a ticket, asks here. `wirefast.testing` moves all of these together.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["monotonic", "wall_time"]


def _not_ahead() -> float:
    return 0.0


#: Gives the seconds by which a test is ahead of the time.
ahead: Callable[[], float] = _not_ahead


def monotonic() -> float:
    """Return seconds that only go up; differences of two of them are durations."""
    return time.monotonic() + ahead()


def wall_time() -> float:
    """Return seconds since the epoch, as of now."""
    return time.time() + ahead()
