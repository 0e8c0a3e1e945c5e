"""Calls from another thread into the hub's event loop, for ``Hub.publish_from_thread``."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable


def loop_of_others(loop: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """Return the loop if it runs in another thread.

    Raises:
        RuntimeError: the loop does not run, or runs in this thread.
    """
    if loop is None or not loop.is_running():
        raise RuntimeError("this hub is not started: give it to App(hub=hub), or use `async with hub`")
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is loop:
        raise RuntimeError("this is the hub's own event loop: await hub.publish()")
    return loop


def run_in(loop: asyncio.AbstractEventLoop, call: Callable[[], Awaitable[int]], timeout: float | None) -> int:
    """Call a coroutine function in the loop and wait for the result.

    Args:
        loop: the loop of another thread.
        call: the function, which is not called after the timeout.
        timeout: seconds; None waits for ever.

    Raises:
        TimeoutError: the loop did not run the call in time.
    """
    given_up = threading.Event()

    async def work() -> int:
        return 0 if given_up.is_set() else await call()

    future = asyncio.run_coroutine_threadsafe(work(), loop)
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError:
        # asyncio has a TimeoutError of its own on Python 3.10.
        raise TimeoutError("the event loop did not get to it in time") from None
    finally:
        given_up.set()
        future.cancel()
