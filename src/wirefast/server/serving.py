"""A server that drains before it ends, and ends at once after a second signal."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from wirefast.server.config import Config
from wirefast.server.drain import Drain, refuse_newcomers
from wirefast.server.ending import end_process
from wirefast.server.health import is_ready
from wirefast.server.pages import announce_pages
from wirefast.server.reuseport import announce
from wirefast.server.sockets.listening import Listening
from wirefast.server.starting import answering_early
from wirefast.server.unix import release
from wirefast.server.watching import LoopWatch

__all__ = ["Server"]

#: Seconds between two ticks of uvicorn's main loop.
TICK = 0.1
#: Seconds from the second signal to the end of the process.
END_AT_ONCE = 1.0

logger = logging.getLogger("uvicorn.error")


class Server(Listening):
    """`uvicorn.Server` whose sockets are drained (`wirefast.server.drain`) before its shutdown.

    Without a supervisor the server listens while it drains, and answers upgrades with 503, so that clients know at
    once. Where another process has the listening socket too, the server stops listening first: the next process serves
    the connections that wait there.

    Attributes:
        drain: the running drain; None before it.
    """

    drain: Drain | None = None
    #: Whether another process keeps the sockets of this server.
    shares_sockets = False
    #: Whether the given sockets are this server's own nevertheless.
    owns_sockets = False
    #: Whether the server did not start because another process took the address after the check.
    lost_address = False
    #: Whether the process that keeps the sockets ends too, so that no other process serves the connections in their
    #: queues.
    ends_for_all = False
    #: Whether SIGHUP ends the process.
    hung_up = False
    #: Called ten times a second with the number of open connections.
    report: Callable[[int], None] | None = None

    def stop(self, *, for_all: bool) -> None:
        """Drain and end, as on SIGTERM; from any thread.

        Args:
            for_all: whether the whole service ends, not only this worker.
        """
        self.ends_for_all = for_all
        self.should_exit = True

    def hang_up(self) -> None:
        """Drain and end, as on SIGTERM, at SIGHUP; a second time does nothing."""
        if not self.should_exit:
            self.hung_up = self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal. The same signal a second time ends the process at once."""
        if sig in self._captured_signals and not self.force_exit:
            self.force_exit = True
            threading.Thread(target=end_process, args=(END_AT_ONCE,), daemon=True).start()
        self._captured_signals.append(sig)
        self.should_exit = True

    #: The objects that run beside the server, with ``start(server)`` and ``stop()``, both coroutine functions, and
    #: ``starts_first``: whether they start before the application.
    attendants: Sequence[Any] = ()
    #: Seconds that the loop was late at most in the last second, and the share of that second in which it was busy: its
    #: thread computed, or stood still in a call that blocks.
    lag = busy = 0.0
    _watch: LoopWatch | None = None
    _lag = _late = _ticked = _wall = _used = 0.0

    async def is_ready(self) -> bool:
        """Whether the server has started and does not drain, and the application is ready."""
        return await is_ready(self.config)

    async def on_tick(self, counter: int) -> bool:
        """Report the measures, and do uvicorn's work of each tenth of a second."""
        now = time.monotonic()
        late = max(0.0, now - self._ticked - TICK) if self._ticked else 0.0
        self._lag, self._late, self._ticked = max(self._lag, late), self._late + late, now
        if counter % 10 == 0:
            used = time.thread_time()
            worked = max(used - self._used, self._late)
            self.busy = min(1.0, worked / (now - self._wall)) if self._wall else 0.0
            self.lag, self._lag, self._late, self._wall, self._used = self._lag, 0.0, 0.0, now, used
        if self.report is not None:
            self.report(len(self.server_state.connections))
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the lifespan and listen. What runs beside an only server starts first, and tells that it starts."""
        config: Any = self.config
        self.shares_sockets = config.fd is not None or (sockets is not None and not self.owns_sockets)
        started: list[Any] = []
        try:
            for attendant in self.attendants:
                if attendant.starts_first:
                    started.append(attendant)
                    await attendant.start(self)
            if (
                sockets is not None
                or self.shares_sockets
                or config.uds is not None
                or not (config.health_path or config.ready_path)
            ):
                await super().startup(sockets)
            else:
                async with answering_early(config, self.server_state) as early:
                    await super().startup(early)
                if early is not None and self.started:
                    announce(config, early[0].getsockname()[1])
        except SystemExit:
            self.lost_address = not self.lifespan.should_exit
            if self.lifespan.should_exit and isinstance(config, Config):
                config.say_what_is_awaited()
            raise
        finally:
            if not self.started:  # the application or the address has failed, and no shutdown follows
                for attendant in reversed(started):
                    await attendant.stop()
        if not self.started:
            return
        if getattr(config, "shows_pages", False):
            announce_pages(config, [one for server in self.servers for one in server.sockets])
        for attendant in self.attendants:
            if attendant not in started:
                await attendant.start(self)
        seconds = getattr(config, "watch_loop", 0.0)
        if seconds:
            self._watch = LoopWatch(seconds, lambda: self._ticked)
            self._watch.start()
        config.serves = not self.should_exit

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain the sockets, then shut down as uvicorn does."""
        if self.hung_up:
            logger.warning("SIGHUP ends this service: without --workers there are no workers to reload")
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
            # The rest of the time is for the handlers; the lifespan has its own time.
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
        if self.owns_sockets and config.uds is not None and config.uds_identity is not None:
            # Here, as after SIGTERM the process ends by that signal, and runs nothing more.
            release(config.uds, config.uds_identity)
