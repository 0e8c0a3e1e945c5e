"""A server that drains before it ends, and ends at once when it is told twice."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from wirefast.server.drain import Drain, refuse_newcomers
from wirefast.server.ending import end_process
from wirefast.server.health import is_ready
from wirefast.server.pages import announce_pages
from wirefast.server.sockets.listening import Listening
from wirefast.server.watching import LoopWatch

__all__ = ["Server"]

#: Seconds between two ticks of uvicorn's main loop.
TICK = 0.1
#: Seconds from the second signal to the end of the process.
END_AT_ONCE = 1.0

logger = logging.getLogger("uvicorn.error")


class Server(Listening):
    """`uvicorn.Server` whose sockets are drained (`wirefast.server.drain`) before its shutdown.

    Without a supervisor it goes on to listen while it drains, and answers upgrades with 503, so that clients know at
    once. Where its listening socket is another process's too, it stops to listen first: connections that wait there
    are for the next one.

    Attributes:
        drain: the drain that is under way; None before.
    """

    drain: Drain | None = None
    #: Whether this server was given sockets that another process keeps.
    shares_sockets = False
    #: Whether the process that keeps the sockets ends too, so that no other process will take what waits there.
    ends_for_all = False
    #: Is told the number of open connections ten times a second.
    report: Callable[[int], None] | None = None

    def stop(self, *, for_all: bool) -> None:
        """Drain and end, as on SIGTERM; from any thread.

        Args:
            for_all: whether the whole service ends, not only this worker.
        """
        self.ends_for_all = for_all
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal. The same one a second time ends the process at once."""
        if sig in self._captured_signals and not self.force_exit:
            self.force_exit = True
            threading.Thread(target=end_process, args=(END_AT_ONCE,), daemon=True).start()
        self._captured_signals.append(sig)
        self.should_exit = True

    #: What runs beside the server: objects with ``start(server)`` and ``stop()``, both coroutine functions.
    attendants: Sequence[Any] = ()
    #: Seconds that the loop was late in the last second, and the share of a core that the process used then.
    lag = busy = 0.0
    _watch: LoopWatch | None = None
    _lag = _ticked = _wall = _used = 0.0

    async def is_ready(self) -> bool:
        """Whether the server has started, does not drain, and the application has no reason to say no."""
        return await is_ready(self.config)

    async def on_tick(self, counter: int) -> bool:
        """Report, and do what uvicorn does ten times a second."""
        now = time.monotonic()
        self._lag = max(self._lag, now - self._ticked - TICK if self._ticked else 0.0)
        self._ticked = now
        if counter % 10 == 0:
            used = time.process_time()
            self.busy = (used - self._used) / (now - self._wall) if self._wall else 0.0
            self.lag, self._lag, self._wall, self._used = self._lag, 0.0, now, used
        if self.report is not None:
            self.report(len(self.server_state.connections))
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the lifespan and listen."""
        self.shares_sockets = sockets is not None or self.config.fd is not None
        await super().startup(sockets)
        if getattr(self.config, "shows_pages", False):
            announce_pages(self.config, [one for server in self.servers for one in server.sockets])
        for attendant in self.attendants:
            await attendant.start(self)
        seconds = getattr(self.config, "watch_loop", 0.0)
        if seconds:
            self._watch = LoopWatch(seconds, lambda: self._ticked)
            self._watch.start()
        self.config.serves = True  # type: ignore[attr-defined]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain the sockets, then shut down as uvicorn does."""
        if self._watch is not None:
            self._watch.stop()
        loop = asyncio.get_running_loop()
        config: Any = self.config
        seconds = config.timeout_graceful_shutdown
        ends = None if seconds is None else loop.time() + seconds
        config.serves = False
        refuse_newcomers(config)
        if self.shares_sockets and not self.ends_for_all:
            for server in self.servers:
                server.close()
            for one in sockets or []:
                one.close()
        self.drain = Drain(
            self.server_state.connections,
            seconds,
            batch=config.drain_batch,
            every=config.drain_every,
            forced=lambda: self.force_exit,
        )
        await self.drain.run()
        if ends is not None:
            # What is left is for the handlers; the lifespan has its time for itself.
            config.lifespan_seconds = seconds
            config.timeout_graceful_shutdown = max(0.0, ends - loop.time())
        if self.force_exit:
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            for task in list(self.server_state.tasks):
                task.cancel()
        await super().shutdown(sockets)
        for attendant in reversed(self.attendants):
            await attendant.stop()
