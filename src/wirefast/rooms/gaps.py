"""Tell an application, at a bounded rate, that rooms may have missed messages, and log hooks that fail."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from wirefast.rooms.models import OpenRoom

logger = logging.getLogger("wirefast.rooms")

#: Seconds between two calls of on_gap for one room. The second call stands for all gaps since the first.
GAP_EVERY = 1.0

GapHook = Callable[[str], Awaitable[None] | None]


class Failures:
    """Logs the exceptions of one hook, which may be called very often.

    Args:
        name: the name of the hook, for the log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def log(self) -> None:
        """Log the current exception, the first, tenth, hundredth ... time."""
        self._count += 1
        if str(self._count).rstrip("0") == "1":
            which = "" if self._count == 1 else f", for the {self._count}th time"
            logger.exception("%s failed%s", self._name, which)


class Gaps:
    """Calls ``on_gap`` for a room at most once in ``GAP_EVERY`` seconds, and never while the previous call runs.

    A broker can cause a gap with every payload, and a hook may send a long history to every member.

    Args:
        hook: ``on_gap``; None for one log line for each room.
        rooms: those of the hub that have members, by name.
    """

    def __init__(self, hook: GapHook | None, rooms: dict[str, OpenRoom]) -> None:
        self.hook = hook
        self._rooms = rooms
        self._failures = Failures("on_gap")
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, name: str, room: OpenRoom) -> None:
        """Call the hook now, or as soon as ``GAP_EVERY`` allows."""
        if self.hook is None:
            if not room.gap_logged:
                room.gap_logged = True
                logger.warning("Messages of other processes to room %r may have been lost", name)
        elif room.gap_timer is None:
            now = asyncio.get_running_loop().time()
            if now < room.gap_after or room.gap_task is not None:
                self._tell_at(max(now, room.gap_after), name, room)
            else:
                self._call(name, room)

    def stop(self) -> None:
        """Cancel the running calls."""
        for task in self._tasks:
            task.cancel()

    def _tell_at(self, when: float, name: str, room: OpenRoom) -> None:
        room.gap_timer = asyncio.get_running_loop().call_at(when, self._due, name, room)

    def _due(self, name: str, room: OpenRoom) -> None:
        room.gap_timer = None
        if self._rooms.get(name) is not room:
            return
        if room.gap_task is None:
            self._call(name, room)
        else:
            self._tell_at(asyncio.get_running_loop().time() + GAP_EVERY, name, room)

    def _call(self, name: str, room: OpenRoom) -> None:
        room.gap_after = asyncio.get_running_loop().time() + GAP_EVERY
        if self.hook is None:
            return
        try:
            result = self.hook(name)
        except Exception:
            self._failures.log()
            return
        if inspect.isawaitable(result):
            task = room.gap_task = asyncio.ensure_future(self._finish(result))
            self._tasks.add(task)
            task.add_done_callback(partial(self._done, room))

    async def _finish(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            self._failures.log()

    def _done(self, room: OpenRoom, task: asyncio.Task[None]) -> None:
        room.gap_task = None
        self._tasks.discard(task)
