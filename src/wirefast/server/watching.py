"""``--watch-loop``: log a blocked event loop, with the stack that blocks it.

The server ticks ten times a second in any case and notes the time. A thread checks that time, so a loop that runs costs
nothing more. When the last tick is too long ago, the thread reads the frames of the loop's thread.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from itertools import dropwhile
from types import FrameType

__all__ = ["LoopWatch"]

#: The least number of seconds; below it the server's ticks are too rare.
LEAST = 0.3
#: The number of checks in the time that a loop may be blocked.
LOOKS = 4
#: A thread that is itself so many checks late cannot judge the loop: the process did not run.
LATE = 2.0
#: The share of a core above which the process did run although the thread did not: C code held the GIL.
BUSY = 0.5
#: How many frames of a stack the log has, the innermost ones.
FRAMES_MAX = 12
#: What runs the application: the frames before the application's own.
_RUNNERS = re.compile(r"[/\\](asyncio|(site-packages[/\\](anyio|click|fastapi|starlette|uvicorn|uvloop)))[/\\]")
_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep

logger = logging.getLogger("uvicorn.error")


class LoopWatch:
    """Watches the loop of the thread that starts it.

    Args:
        seconds: how long the loop may be blocked; at least `LEAST`.
        ticked: returns the time of the last tick, by `time.monotonic`.
    """

    def __init__(self, seconds: float, ticked: Callable[[], float]) -> None:
        self.seconds = max(seconds, LEAST)
        self.ticked = ticked
        self.thread_id = threading.get_ident()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True, name="watch-loop")

    def start(self) -> None:
        """Start checking."""
        self.thread.start()

    def stop(self) -> None:
        """Stop checking."""
        self.ended.set()

    def _run(self) -> None:
        every = self.seconds / LOOKS
        told: float | None = None
        looked, used = time.monotonic(), time.process_time()
        while not self.ended.wait(every):
            now, using = time.monotonic(), time.process_time()
            ran = now - looked < LATE * every or using - used > BUSY * (now - looked)
            looked, used = now, using
            last = self.ticked()
            if told is not None and last != told:
                logger.warning("The event loop runs again, after %.1f s.", last - told)
                told = None
            elif told is None and ran and last and now - last > self.seconds:
                told = last
                stack = describe(sys._current_frames().get(self.thread_id))
                logger.warning(
                    "The event loop has stood still for %.1f s, and every socket of this process with it. "
                    "Await the call that waits, or run it in a thread. It is in:\n%s",
                    now - last,
                    stack,
                )


def describe(frame: FrameType | None) -> str:
    """Return the frames of a stack, the caller first, without those that run the loop."""
    frames = traceback.extract_stack(frame) if frame is not None else []
    # What the application calls may be asyncio's again: only the frames at the beginning are left out.
    own = list(dropwhile(_runs_the_application, frames)) or frames
    return "".join(traceback.format_list(own[-FRAMES_MAX:])).rstrip("\n")


def _runs_the_application(frame: traceback.FrameSummary) -> bool:
    name = frame.filename
    return name.startswith((_OWN, "<frozen")) or _RUNNERS.search(name) is not None or frame.name == "<module>"
