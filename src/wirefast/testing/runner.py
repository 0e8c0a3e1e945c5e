"""An event loop for tests that have none: uvloop's if it is installed, as in a server. wirefast only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Runner"]

T = TypeVar("T")


class Runner:
    """Runs coroutines one after the other on one loop."""

    def __init__(self) -> None:
        self.loop = new_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end.

        Raises:
            RuntimeError: a loop runs already in this thread.
        """
        __tracebackhide__ = True
        if asyncio._get_running_loop() is not None:
            work.close()
            raise RuntimeError("a loop runs here already: make the test a coroutine function, and await")
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        """End the loop, and the tasks that still run on it."""
        loop = self.loop
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop, or of asyncio if uvloop is not installed."""
    try:
        import uvloop  # an option of the server extra
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
