"""The number of worker processes of the application, as far as this process knows it."""

from __future__ import annotations

import os
import sys
from typing import Any

#: The environment variable with the path of the socket of the relay, which the supervisor of workers sets.
ROOMS_VARIABLE = "WIREFAST_ROOMS"


def _process() -> Any:
    """Return multiprocessing's object of this process; None if it is not imported, and so the process is no
    worker."""
    module = sys.modules.get("multiprocessing.process")
    return None if module is None else module.current_process()


def worker_count() -> int:
    """Return the number of workers of which this process is one, at least 1; 1 in a process that is no worker.

    uvicorn's workers know their number. gunicorn's know it if ``WEB_CONCURRENCY`` of the environment says it. Any other
    process has that variable by inheritance alone: a test, a command, a server that was told another number.
    """
    # uvicorn starts each worker with its Config, which the process object keeps.
    config = getattr(_process(), "_kwargs", {}).get("config")
    workers = getattr(config, "workers", None)
    # gunicorn's workers are forks of the process that runs its arbiter.
    if workers is None and "gunicorn.arbiter" in sys.modules:
        workers = os.environ.get("WEB_CONCURRENCY", "")
    if workers is None:
        return 1
    try:
        return max(1, int(workers))
    except ValueError:
        return 1


def relay_url() -> str | None:
    """Return the URL of the relay of this service's workers; None without a relay."""
    path = os.environ.get(ROOMS_VARIABLE)
    return f"local://{path}" if path else None


def is_first_worker() -> bool:
    """Whether this process logs for all workers what each of them would log."""
    name = getattr(_process(), "name", "MainProcess")
    return name.rpartition("-")[2] == "1" or name == "MainProcess"
