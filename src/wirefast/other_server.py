"""One line for who serves sockets by uvicorn's own command: how they get the compiled wire."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from starlette.routing import BaseRoute

__all__ = ["tell_of_the_wire"]

logger = logging.getLogger("uvicorn.error")


def tell_of_the_wire(routes: Iterable[BaseRoute]) -> None:
    """Log how sockets get the compiled wire, where uvicorn runs this lifespan and serves them by a protocol of its own.

    Args:
        routes: of the application; one without sockets has nothing to gain.
    """
    # uvicorn imports both by their names, with its settings: the one to run a lifespan, the other to serve sockets.
    if "uvicorn.lifespan.on" not in sys.modules or "wirefast.server.protocol" in sys.modules:
        return
    if any(hasattr(route, "endpoint") and getattr(route, "methods", None) is None for route in routes):
        logger.info(
            "WebSockets are served by uvicorn's own protocol. For wirefast's compiled one use `wirefast run` in place "
            "of `uvicorn`, or its options --ws wirefast.server:WebSocketProtocol --http wirefast.server:HttpProtocol"
        )
