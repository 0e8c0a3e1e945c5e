"""Ends code that blocks the event loop, from a signal, because code of the loop could not. wirefast only."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StoodStill", "Watchdog"]

#: Seconds between two checks.
LOOK_EVERY = 0.25
#: The most frames that the report of a hang shows.
FRAMES = 4


class StoodStill(BaseException):
    """Raised within code that has blocked the loop too long. It is no Exception, so that the code does not catch it."""


class Watchdog:
    """Checks by a signal whether a loop turns. Outside of the main thread, or without SIGALRM, it does nothing.

    Args:
        loop: the watched loop.
        seconds: the time that one turn may take.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.seconds = seconds
        self._since: float | None = None
        self._told: str | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the loop within the block. The loop has to run in the block."""
        if not self._may_watch():
            yield
            return
        self._since = self._told = None
        before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY, LOOK_EVERY)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @staticmethod
    def _may_watch() -> bool:
        """Return whether the timer is free: no other code, such as pytest-timeout, uses it."""
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            return False
        return signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)

    @property
    def told(self) -> str | None:
        """The place where code was ended within the last block; None if no code was ended."""
        return self._told

    def _turned(self) -> None:
        self._since = None

    def _look(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self.loop.call_soon_threadsafe(self._turned)
        elif now - self._since > self.seconds:
            self._since = None
            self._told = "".join(traceback.format_stack(frame, FRAMES))
            raise StoodStill(f"the event loop stood still for {self.seconds:g} s")
