"""One log line for services under uvicorn's own command: how their sockets get the compiled wire."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from starlette.routing import BaseRoute

__all__ = ["tell_of_the_wire"]

logger = logging.getLogger("uvicorn.error")


def tell_of_the_wire(routes: Iterable[BaseRoute]) -> None:
    """Log how sockets get the compiled wire, if uvicorn runs this lifespan and serves sockets by its own protocol.

    Args:
        routes: the routes of the application; without a socket among them nothing is logged.
    """
    # uvicorn imports both modules by their names, as its settings say: one runs a lifespan, the other serves sockets.
    if "uvicorn.lifespan.on" not in sys.modules or "wirefast.server.protocol" in sys.modules:
        return
    if any(hasattr(route, "endpoint") and getattr(route, "methods", None) is None for route in routes):
        logger.info(
            "WebSockets are served by uvicorn's own protocol. For wirefast's compiled one use `wirefast run` in place "
            "of `uvicorn`, or its options --ws wirefast.server:WebSocketProtocol --http wirefast.server:HttpProtocol"
        )
