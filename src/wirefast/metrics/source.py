"""Where the numbers of the whole service come from: this process, or the one that asks all workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wirefast.metrics import counters
from wirefast.metrics.merging import Snapshot

__all__ = ["collected", "set_source"]

_source: Callable[[], Awaitable[Snapshot]] | None = None


def set_source(source: Callable[[], Awaitable[Snapshot]] | None) -> None:
    """Have the numbers asked of a function from now on; None for this process alone."""
    global _source
    _source = source


async def collected() -> Snapshot:
    """Return the numbers of the service; those of this process where the source fails."""
    if _source is not None:
        return await _source()
    return counters.snapshot()
