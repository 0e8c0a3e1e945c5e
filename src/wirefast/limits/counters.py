"""Counters of refusals in this process, by kind, which metrics read. wirefast only.

A kind is ``origin``, ``rate`` (the dependency of ``rates``), or the name of the limit of `Limits` that refused.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["count_refusal", "refusals"]

_refusals: Counter[str] = Counter()


def count_refusal(kind: str) -> None:
    """Count one refusal.

    Args:
        kind: the setting that refused. The kinds are few, and no client chooses them.
    """
    _refusals[kind] += 1


def refusals() -> dict[str, int]:
    """Return how many handshakes, messages and sockets were refused in this process so far, by kind."""
    return dict(_refusals)
