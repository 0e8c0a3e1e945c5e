"""The end of a serving process, which comes in time whatever the application's tasks and threads do."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

__all__ = ["END_WITHIN", "ending"]

#: Seconds from the end of the lifespan to the end of the process, for tasks that ignore that they were cancelled, and
#: for threads, which cannot be.
END_WITHIN = 5.0


def ending(lifespan_class: type[Any]) -> type[Any]:
    """A lifespan class of uvicorn's whose end, the last thing that a server waits for, bounds that of the process."""

    class Ending(lifespan_class):  # type: ignore[misc]
        async def shutdown(self) -> None:
            await super().shutdown()
            threading.Thread(target=end_process, args=(END_WITHIN,), daemon=True).start()

    return Ending


def end_process(seconds: float) -> None:
    """End this process with exit code 1, unless it has ended by itself when the seconds are over."""
    time.sleep(seconds)
    threads = [thread.name for thread in threading.enumerate() if not thread.daemon]
    logging.getLogger("uvicorn.error").error(
        "The process is ended now: handlers ignore that they were cancelled, or threads still run (%s)",
        ", ".join(sorted(threads)),
    )
    os._exit(1)
