"""Notices: hubs tell each other, through the broker, which payloads were lost before they reached the broker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import orjson

__all__ = ["Owed", "read_notice"]

#: The most rooms that a notice names; a notice of more rooms means all rooms.
ROOMS_IN_A_NOTICE = 200
#: Bytes of a notice with so many names of the greatest length.
MAX_NOTICE = 262144
#: Seconds between two notices of one hub, and between two times that a hub handles the notices of others.
NOTICES_EVERY = 1.0
#: The most rooms whose gap is reported in one turn of the event loop.
ROOMS_IN_A_TURN = 100


def read_notice(notice: bytes) -> tuple[str, float, list[str] | None]:
    """Read a notice: the hub that lost payloads, how many seconds ago at the latest, and the rooms; None for all rooms.

    Raises:
        ValueError: no hub sends such a notice.
    """
    if len(notice) > MAX_NOTICE:
        raise ValueError(f"{len(notice)} bytes")
    content = orjson.loads(notice)
    if type(content) is not dict:
        raise ValueError("no object")
    sender, age, rooms = content.get("from"), content.get("age", -1), content.get("rooms", "")
    if type(sender) is not str or type(age) not in (int, float) or not 0 <= age < math.inf:
        raise ValueError("no sender or age")
    if rooms is not None:
        if type(rooms) is not list or len(rooms) > ROOMS_IN_A_NOTICE or not all(type(room) is str for room in rooms):
            raise ValueError("no names of rooms")
    return sender, float(age), rooms


class Owed:
    """The rooms of notices. Their gaps are reported, for some rooms in each turn of the event loop.

    Every client of the broker that may publish can send notices, each for every room. So the first notice is handled at
    once, and the notices of the next ``NOTICES_EVERY`` seconds are handled together.

    Args:
        wanted: the rooms that have members here.
        tell: called with at most ``ROOMS_IN_A_TURN`` rooms.
    """

    def __init__(self, wanted: set[str], tell: Callable[[list[str]], None]) -> None:
        self._wanted = wanted
        self._tell = tell
        # The rooms of the next round, and the rest of this round.
        self._named: set[str] = set()
        self._all = False
        self._round: list[str] = []
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, rooms: set[str] | None) -> None:
        """Tell some rooms, or all if ``rooms`` is None, as soon as the bound of time allows."""
        if rooms is None:
            self._all = True
        else:
            self._named |= rooms
        if self._timer is None:
            loop = asyncio.get_running_loop()
            if loop.time() < self._not_before:
                self._timer = loop.call_at(self._not_before, self._due)
            else:
                self._due()

    def stop(self) -> None:
        """Stop telling rooms."""
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        """Tell some rooms; then wait for the next turn of the loop, or for the next round, or for another notice."""
        now = asyncio.get_running_loop().time()
        if not self._round:
            self._round = list(self._wanted if self._all else self._named)
            self._all = False
            self._named.clear()
            self._not_before = now + NOTICES_EVERY
        rooms = self._round[-ROOMS_IN_A_TURN:]
        del self._round[-ROOMS_IN_A_TURN:]
        self._timer = None
        if self._round or self._all or self._named:
            when = now if self._round else max(now, self._not_before)
            self._timer = asyncio.get_running_loop().call_at(when, self._due)
        self._tell(rooms)
