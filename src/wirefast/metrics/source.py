"""The source of the numbers of the whole service: this process, or the process that asks all workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wirefast.metrics import counters
from wirefast.metrics.merging import Snapshot

__all__ = ["collected", "set_source"]

_source: Callable[[], Awaitable[Snapshot]] | None = None


def set_source(source: Callable[[], Awaitable[Snapshot]] | None) -> None:
    """Set the function that returns the numbers; None for those of this process alone."""
    global _source
    _source = source


async def collected() -> Snapshot:
    """Return the numbers of the service; those of this process if the source fails."""
    if _source is not None:
        return await _source()
    return counters.snapshot()
