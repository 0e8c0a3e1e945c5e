"""The side of a worker: it answers questions about itself, and executes commands."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wirefast._core.close import check_code
from wirefast.control.rpc import LINE_MAX, Line, LineError
from wirefast.limits.counters import refusals
from wirefast.metrics import counters
from wirefast.rooms.counts import busiest_rooms

__all__ = ["Agent"]

#: How many of the busiest rooms and of the slowest clients an answer has.
SHOWN = 20

logger = logging.getLogger("uvicorn.error")


class Agent:
    """Answers for one worker.

    Args:
        server: the worker's `wirefast.server.serving.Server`.
        index: the number of the worker.
    """

    def __init__(self, server: Any, index: int = 0) -> None:
        self.server = server
        self.index = index
        self.started = time.time()
        self.line: Line | None = None
        counters.add_reader(self.read)
        self._running: asyncio.Task[None] | None = None

    async def connect(self, path: Path) -> None:
        """Connect to the service at a path, if one listens."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_MAX)
            self.line = Line(reader, writer, self.handle)
            self._running = asyncio.ensure_future(self.line.run())
            await self.line.ask("hello", worker=self.index, pid=os.getpid())
        except (OSError, LineError) as exc:
            logger.warning("This worker is not seen by `wirefast top` and metrics: %s", exc)

    def read(self) -> Iterator[tuple[str, tuple[str, ...], Any]]:
        """Yield the measures of the process; a reader of metrics."""
        worker = (str(self.index),)
        yield "wirefast_loop_lag_seconds", worker, self.server.lag
        yield "wirefast_loop_busy_ratio", worker, self.server.busy
        yield "wirefast_resident_memory_bytes", worker, resident_memory()
        yield "wirefast_drain_left", (), 0 if self.server.drain is None else self.server.drain.left
        for limit, number in refusals().items():
            yield "wirefast_limits_hit_total", (limit,), number

    async def goodbye(self) -> None:
        """Disconnect from the service, which keeps the counts."""
        if self.line is not None:
            try:
                await self.line.ask("goodbye", seconds=1.0, snapshot=counters.snapshot())
            except LineError:
                pass
            self.line.close()
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=1.0)

    async def ask(self, do: str) -> Any:
        """Ask the service about all workers.

        Raises:
            LineError: the service does not answer.
        """
        if self.line is None:
            raise LineError("this worker is alone")
        return await self.line.ask(do)

    async def handle(self, do: str, arguments: dict[str, Any]) -> Any:
        """Answer the service's question.

        Raises:
            LineError: the question is unknown, or its arguments are wrong.
        """
        if do == "snapshot":
            return counters.snapshot()
        if do == "status":
            return self.status()
        if do == "ready":
            return await self.server.is_ready()
        if do == "kick":
            return self.kick(arguments["user"], arguments["code"], arguments["reason"])
        raise LineError(f"a worker has no answer to {do[:40]!r}")

    def status(self) -> dict[str, Any]:
        """Return what `wirefast top` shows of this worker."""
        routes: Counter[str] = Counter()
        slow: list[dict[str, Any]] = []
        received = sent = 0
        for connection in list(self.server.server_state.connections):
            if not hasattr(connection, "carried"):
                continue
            one = connection.describe()
            if one is None:
                continue
            routes[one["route"]] += 1
            if one["waiting_bytes"]:
                slow.append(one)
        for key, number in counters.snapshot().get("wirefast_messages_total", {}).items():
            if key.startswith("in\t"):
                received += number
            else:
                sent += number
        slow.sort(key=lambda one: -one["waiting_bytes"])
        drain = self.server.drain
        return {
            "worker": self.index,
            "pid": os.getpid(),
            "seconds": round(time.time() - self.started, 1),
            "sockets": sum(routes.values()),
            "routes": dict(routes),
            "messages_in": received,
            "messages_out": sent,
            "rooms": busiest_rooms(SHOWN),
            "slow": slow[:SHOWN],
            "memory": resident_memory(),
            "lag": round(self.server.lag, 4),
            "busy": round(self.server.busy, 4),
            "draining": None if drain is None else drain.left,
        }

    def kick(self, user: str, code: Any, reason: Any) -> int:
        """Close all sockets of a user. Returns how many there were.

        Raises:
            LineError: the code is not one that a close frame may carry.
        """
        if not isinstance(code, int):
            raise LineError(f"{code} is not a close code")
        try:
            check_code(code)
        except ValueError as error:
            raise LineError(str(error)) from None
        ended = 0
        for connection in list(self.server.server_state.connections):
            if hasattr(connection, "kick") and connection.user() == user:
                ended += connection.kick(code, str(reason))
        return ended


def resident_memory() -> int:
    """Return the resident bytes of this process; their maximum so far if the system has no other number."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
