"""uvicorn's settings, with a process that is set up for long-lived sockets."""

from __future__ import annotations

import gc

import uvicorn

from wirefast.server.bounds import DRAIN_BATCH, DRAIN_EVERY, TIMEOUT_BODY
from wirefast.server.ending import end_in_time


class Config(uvicorn.Config):
    """`uvicorn.Config` for a process that does nothing but serve, as ``wirefast run`` makes it.

    Attributes:
        timeout_body: seconds that the body of a request may take without progress. Default: 60.
        drain_batch: sockets that are closed together when the server drains. Default: 500.
        drain_every: seconds between two batches. Default: 0.5.
    """

    timeout_body: float = TIMEOUT_BODY
    drain_batch: int = DRAIN_BATCH
    drain_every: float = DRAIN_EVERY

    def load(self) -> None:
        """Load the application, and set the process up to serve and to end.

        The garbage collector leaves alone all that there is then (`gc.freeze`): modules, classes and routes live as
        long as the process. A collection that walks through them, as each large JSON document causes some, takes many
        times longer than one through what requests have made.
        """
        super().load()
        end_in_time(self)
        gc.collect()
        gc.freeze()
