"""uvicorn's settings and ours. `Config` also sets the process up for long-lived sockets."""

from __future__ import annotations

import gc
import inspect
import logging
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, Literal

import uvicorn
from uvicorn._ansi import style

from wirefast._core.source_location import for_importers
from wirefast.metrics import counters
from wirefast.server.bounds import DRAIN_BATCH, DRAIN_EVERY, TIMEOUT_BODY, TRANSPORT
from wirefast.server.ending import end_in_time
from wirefast.server.health import HealthHttpProtocol
from wirefast.server.http import HttpProtocol
from wirefast.server.measured import IdentifiedWebSocketProtocol, MeasuredWebSocketProtocol
from wirefast.server.protocol import WebSocketProtocol
from wirefast.server.reactor import keep_memory
from wirefast.server.request_ids import with_request_ids
from wirefast.server.unix import claim

logger = logging.getLogger("uvicorn.error")


class Settings(uvicorn.Config):
    """`uvicorn.Config` with the settings of ``wirefast run`` as attributes. It does not change the process.

    Attributes:
        timeout_body: seconds that the body of a request may take without progress. Default: 60.
        drain_batch: sockets that are closed together when the server drains. Default: 500.
        drain_every: seconds between two batches. Default: 0.5.
        log_ends: whether the end of each socket is a line in the log. Default: False.
        health_path, ready_path: the paths of probes that the server itself answers. Default: none.
        serves: whether the server has started and does not drain. The server sets this attribute.
        request_ids: whether each connection gets an id. Default: False.
        shows_pages: whether the log says where the application's pages are. Default: False.
        transport: "sockets", the default on Linux: `wirefast.server.sockets` accepts, reads and writes connections
            without TLS, if the loop can watch a descriptor. "loop": the loop's transports do so.
        watch_loop: seconds that one turn of the event loop may take. After that time its stack is in the log. 0: no
            limit. Default: 0.
        uds_identity: device and inode of the Unix socket that this server made; None before.
        watched: whether sockets are counted for `wirefast top`. Default: False.
    """

    timeout_body: float = TIMEOUT_BODY
    drain_batch: int = DRAIN_BATCH
    drain_every: float = DRAIN_EVERY
    log_ends: bool = False
    watched: bool = False
    shows_pages: bool = False
    watch_loop: float = 0.0
    uds_identity: tuple[int, int] | None = None
    health_path: str | None = None
    ready_path: str | None = None
    serves: bool = False
    request_ids: bool = False
    transport: Literal["sockets", "loop"] = TRANSPORT

    def configure_logging(self) -> None:
        """Set logging up as uvicorn does, and the level of the logger ``wirefast`` with uvicorn's."""
        super().configure_logging()
        if self.log_level is not None:
            logging.getLogger("wirefast").setLevel(logging.getLogger("uvicorn.error").level)

    def bind_socket(self) -> socket.socket:
        """Bind as uvicorn does. `claim` makes a Unix socket, which listens at once.

        Raises:
            OSError: the path belongs to a running server, or the socket cannot be made.
        """
        if self.uds is None:
            return super().bind_socket()
        made, self.uds_identity = claim(self.uds, self.backlog)
        place = style("%s", bold=True)
        coloured = f"Uvicorn running on unix socket {place} (Press CTRL+C to quit)"
        text = "Uvicorn running on unix socket %s (Press CTRL+C to quit)"
        logging.getLogger("uvicorn.error").info(text, self.uds, extra={"color_message": coloured})
        return made

    def load(self) -> None:
        """Load the application, and choose the protocol classes that the settings need."""
        super().load()
        kind: object = self.ws_protocol_class
        if kind is WebSocketProtocol and self.request_ids:
            self.ws_protocol_class = IdentifiedWebSocketProtocol  # type: ignore[assignment]
        elif kind is WebSocketProtocol and (self.log_ends or self.watched or counters.is_on()):
            self.ws_protocol_class = MeasuredWebSocketProtocol  # type: ignore[assignment]
        if self.http_protocol_class is HttpProtocol and (self.health_path or self.ready_path):
            self.http_protocol_class = HealthHttpProtocol
        if self.request_ids:
            self.loaded_app = with_request_ids(self.loaded_app)


class FactoryRaised(Exception):
    """A factory has raised a TypeError, its cause: uvicorn would log that without its traceback."""


class Config(Settings):
    """Settings for a process that does nothing but serve, as ``wirefast run`` makes it.

    Attributes:
        counts: whether metrics are on even if the application has not turned them on. Default: False.
        is_new_failure: whether no other worker has logged this text of a failed start; None without workers.
    """

    counts: bool = False
    is_new_failure: Callable[[str], bool] | None = None

    def load_app(self) -> Any:
        """Import the application, or the factory that makes it, as uvicorn does."""
        made = super().load_app()
        if not self.factory:
            return made

        def make() -> Any:
            # Its call makes a coroutine of any arguments, so it would fail only later and elsewhere.
            if inspect.iscoroutinefunction(type(made).__call__):
                raise TypeError(f"{self.app!r} is an application and no factory; leave --factory out")
            try:
                return made()
            except TypeError as exc:
                if exc.__traceback__ is None or exc.__traceback__.tb_next is None:
                    raise  # the call itself has failed: it is no factory, or takes arguments
                raise FactoryRaised from exc

        return make

    def say_what_is_awaited(self) -> None:
        """Log, under ``--reload``, what starts an application that did not start."""
        if self.should_reload:
            logger.warning("Waiting for a change of a file to start again")

    def load(self) -> None:
        """Load the application, and set the process up to serve and to end.

        Then tell the garbage collector to leave out all present objects (`gc.freeze`): modules, classes and routes live
        as long as the process. Each large JSON document causes collections. A collection that visits these objects
        takes many times longer than one that visits only the objects of requests. The memory of large messages is kept
        for the next ones (`keep_memory`).
        """
        if self.counts:
            counters.turn_on()  # before the application is imported
        try:
            super().load()
        except SystemExit:  # uvicorn has logged why
            self.say_what_is_awaited()
            raise
        except Exception as raised:
            exc = raised.__cause__ if isinstance(raised, FactoryRaised) and raised.__cause__ else raised
            shown = for_importers(exc)
            is_new = self.is_new_failure is None or self.is_new_failure("".join(traceback.format_exception(*shown)))
            logger.error(
                "The application raised %s while it was loaded", type(exc).__name__, exc_info=shown if is_new else None
            )
            self.say_what_is_awaited()
            sys.exit(1)
        end_in_time(self)
        gc.collect()
        gc.freeze()
        keep_memory()
