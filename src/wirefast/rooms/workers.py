"""How many worker processes serve the application, as far as this one can know."""

from __future__ import annotations

import os
import sys
from typing import Any

#: Where the supervisor of workers tells them the path of the socket that joins their hubs.
ROOMS_VARIABLE = "WIREFAST_ROOMS"


def _process() -> Any:
    """Return multiprocessing's object of this process; None where it is not imported, and so started no worker."""
    module = sys.modules.get("multiprocessing.process")
    return None if module is None else module.current_process()


def worker_count() -> int:
    """Return the number of workers, at least 1: uvicorn's, or ``WEB_CONCURRENCY`` of the environment."""
    # uvicorn starts each worker with its Config; the process object keeps what it was started with.
    config = getattr(_process(), "_kwargs", {}).get("config")
    workers = getattr(config, "workers", None)
    if workers is None:
        workers = os.environ.get("WEB_CONCURRENCY", "")
    try:
        return max(1, int(workers))
    except ValueError:
        return 1


def relay_url() -> str | None:
    """Return the URL of the relay that joins the workers of this service; None where there is none."""
    path = os.environ.get(ROOMS_VARIABLE)
    return f"local://{path}" if path else None


def is_first_worker() -> bool:
    """Whether this is the one that speaks for all where each would say the same."""
    name = getattr(_process(), "name", "MainProcess")
    return name.rpartition("-")[2] == "1" or name == "MainProcess"
