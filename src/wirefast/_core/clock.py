"""Two functions that give the time to what expires without a timer. A test can move both.

Timers of wirefast are timers of the event loop, and what they wait for is measured by ``loop.time()``. What no timer
waits for, such as the end of a token or of a ticket, asks here. `wirefast.testing` moves all of these together.
"""

from __future__ import annotations

import time

from wirefast._core.instant import ahead, move

__all__ = ["monotonic", "move", "wall_time"]


def monotonic() -> float:
    """Return seconds that only go up; differences of two of them are durations."""
    return time.monotonic() + ahead()


def wall_time() -> float:
    """Return seconds since the epoch, as of now."""
    return time.time() + ahead()
