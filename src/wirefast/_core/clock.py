"""Two functions that return the time, for code that expires things without a timer. A test can move both.

Timers of wirefast are timers of the event loop and use ``loop.time()``. Code without a timer, such as the check of a
token or of a ticket, asks these functions. `wirefast.testing` moves all clocks together.
"""

from __future__ import annotations

import time

from wirefast._core.instant import ahead, move

__all__ = ["monotonic", "move", "wall_time"]


def monotonic() -> float:
    """Return seconds of a clock that never goes back; the difference of two values is a duration."""
    return time.monotonic() + ahead()


def wall_time() -> float:
    """Return the current time in seconds since the epoch."""
    return time.time() + ahead()
