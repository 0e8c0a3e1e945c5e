"""uvicorn's settings, with a process that is set up for long-lived sockets."""

from __future__ import annotations

import gc

import uvicorn

from wirefast.server.bounds import TIMEOUT_BODY


class Config(uvicorn.Config):
    """`uvicorn.Config` for a process that does nothing but serve, as ``wirefast run`` makes it.

    Attributes:
        timeout_body: seconds that the body of a request may take without progress. Default: 60.
    """

    timeout_body: float = TIMEOUT_BODY

    def load(self) -> None:
        """Load the application; the garbage collector then leaves alone all that there is (`gc.freeze`).

        Modules, classes and routes live as long as the process. A collection that walks through them, as each large
        JSON document causes some, takes many times longer than one through what requests have made.
        """
        super().load()
        gc.collect()
        gc.freeze()
