"""How many worker processes serve the application, as far as this one can know."""

from __future__ import annotations

import multiprocessing
import os


def worker_count() -> int:
    """The number of workers: uvicorn's, or ``WEB_CONCURRENCY``, which uvicorn, gunicorn and hosts share; at least 1."""
    # uvicorn starts each worker with its Config; the process object keeps what it was started with.
    config = getattr(multiprocessing.current_process(), "_kwargs", {}).get("config")
    workers = getattr(config, "workers", None)
    if workers is None:
        workers = os.environ.get("WEB_CONCURRENCY", "")
    try:
        return max(1, int(workers))
    except ValueError:
        return 1


def is_first_worker() -> bool:
    """Whether this is the one that speaks for all where each would say the same."""
    name = multiprocessing.current_process().name
    return name.rpartition("-")[2] == "1" or name == "MainProcess"
