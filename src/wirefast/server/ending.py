"""End a serving process in time, even if tasks and threads of the application go on."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from typing import Any

from wirefast._core.source_location import for_importers

__all__ = ["END_WITHIN", "end_in_time"]

#: Seconds that cancelled tasks have for their ``finally`` blocks; and, after the lifespan, seconds to the end of the
#: process, for tasks that ignore their cancellation and for threads, which cannot be cancelled.
END_WITHIN = 5.0

logger = logging.getLogger("uvicorn.error")


def end_in_time(config: Any) -> None:
    """Bound the end of a process that serves with a loaded configuration of uvicorn.

    The traceback of a lifespan that fails at its start is logged without the frames above the application's. If the
    configuration has ``is_new_failure``, a failed start is not logged if another worker has logged the same failure.

    When a stop takes too long, uvicorn cancels the handlers and goes on at once. The server then waits for the end of
    the lifespan, so the cancelled tasks are awaited there.
    """
    lifespan_class, protocol_class = config.lifespan_class, config.http_protocol_class
    states: list[Any] = []

    def first_connection(**arguments: Any) -> Any:
        # Only protocols get the state of a server. Without a connection there are no tasks.
        states.append(arguments["server_state"])
        config.http_protocol_class = protocol_class
        return protocol_class(**arguments)

    class Ending(lifespan_class):  # type: ignore[misc,valid-type]
        async def startup(self) -> None:
            await super().startup()
            self.loop_end = asyncio.ensure_future(bound_the_loops_end())

        async def send(self, message: Any) -> None:
            if message["type"] == "lifespan.startup.failed":
                is_new = getattr(config, "is_new_failure", None)
                text = without_frames_above(message.get("message") or "")
                message = {**message, "message": text if is_new is None or is_new(text) else ""}
            await super().send(message)

        async def shutdown(self) -> None:
            if states:
                await clean_up(states[0].tasks)
            seconds = getattr(config, "lifespan_seconds", config.timeout_graceful_shutdown)
            try:
                await asyncio.wait_for(super().shutdown(), seconds)
            except asyncio.TimeoutError:
                logger.error(
                    "The application's lifespan did not end in %s seconds; the process ends without it", seconds
                )

    config.lifespan_class, config.http_protocol_class = Ending, first_connection


def without_frames_above(text: str) -> str:
    """Return the text of a failure, without the frames above the application's if it is a traceback."""
    exc = sys.exception() if sys.version_info >= (3, 11) else sys.exc_info()[1]
    if exc is None or text != "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)):
        return text
    return "".join(traceback.format_exception(*for_importers(exc)))


async def clean_up(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait for tasks that were cancelled, for ``END_WITHIN`` seconds at most."""
    if tasks:
        await asyncio.wait(list(tasks), timeout=END_WITHIN)
    if tasks:
        logger.error("%d task(s) ignore that they were cancelled; the process ends without them", len(tasks))


async def bound_the_loops_end() -> None:
    """Wait for the cancellation at the end of the loop, and then bound the rest of the process."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        threading.Thread(target=end_process, args=(END_WITHIN,), daemon=True).start()


def end_process(seconds: float) -> None:
    """End this process with exit code 1 after some seconds, unless it has ended by itself."""
    time.sleep(seconds)
    threads = [thread.name for thread in threading.enumerate() if not thread.daemon]
    logger.error(
        "The process is ended now: handlers ignore that they were cancelled, or threads still run (%s)",
        ", ".join(sorted(threads)),
    )
    os._exit(1)
