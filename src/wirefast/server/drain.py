"""Draining: a server closes its sockets in order before it ends, and the clients reconnect elsewhere.

    not ready        new upgrades and the readiness probe get 503 with Retry-After; plain HTTP is still served told
    the application's hooks run for each socket (`wirefast._core.leaving`) quiet            a handler that works on a
    message may answer, and unsent bytes are sent
    closed           in batches: 1012, with the reason `retry=MS` that spreads the clients' return
    over             tasks are cancelled, the lifespan ends (`wirefast.server.serving`)

A socket whose handler has never waited for a message has no message to answer, and is closed without a wait.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from typing import Any

from wirefast._core.leaving import farewells
from wirefast.server.bounds import DRAIN_BATCH, DRAIN_EVERY
from wirefast.server.health import HealthHttpProtocol
from wirefast.server.http import HttpProtocol
from wirefast.server.measured import MeasuredWebSocketProtocol
from wirefast.server.protocol import WebSocketProtocol
from wirefast.server.refused import Refused

__all__ = ["RETRY_AFTER", "Drain", "refuse_newcomers", "retry_window"]

#: Seconds after which a refused client may try again.
RETRY_AFTER = 2
#: Seconds that a handler has to answer the message it works on, and an outbox to be read.
ANSWER_SECONDS = 10.0
#: Seconds between two checks of that.
LOOK_EVERY = 0.02
#: The part of the time that the batches may take; the rest is for the last answers.
SHARE = 0.8
#: Milliseconds: the shortest and the longest time in which the clients of one server reconnect, and the time that each
#: client adds.
LEAST_WINDOW, MOST_WINDOW, WINDOW_EACH = 500, 10_000, 1

logger = logging.getLogger("uvicorn.error")


class RefusingWebSocketProtocol(MeasuredWebSocketProtocol):
    """Replaces the WebSocket protocol while a server drains: every handshake is answered with 503."""

    def begin(self, head: Any, rest: bytes) -> None:
        """Refuse the handshake."""
        self.refuse_handshake(head, Refused(503, "Service Unavailable", b"retry-after: %d\r\n" % RETRY_AFTER))


class ClosingHttpProtocol(HealthHttpProtocol):
    """Replaces the HTTP protocol while a server drains: each new connection ends after one response."""

    def serve(self, head: Any) -> None:
        """Serve the last request of the connection."""
        super().serve(head)
        if self.cycle is not None:
            self.cycle.keep_alive = False


def refuse_newcomers(config: Any) -> None:
    """Let a server refuse new upgrades, and end new connections after one response, from now on."""
    kind = config.ws_protocol_class
    if kind is not None and issubclass(kind, WebSocketProtocol):
        config.ws_protocol_class = RefusingWebSocketProtocol
    if config.http_protocol_class in (HttpProtocol, HealthHttpProtocol):
        config.http_protocol_class = ClosingHttpProtocol


def retry_window(sockets: int) -> int:
    """Milliseconds within which the clients of so many sockets have to reconnect, each at a random time."""
    return min(MOST_WINDOW, max(LEAST_WINDOW, sockets * WINDOW_EACH))


class Drain:
    """Drain the sockets of one server.

    Args:
        connections: the server's set of protocols, which changes as they end.
        seconds: for the whole drain; None without a bound.
        batch: sockets that are closed together.
        every: seconds between two batches.
        forced: whether to stop waiting at once.

    Attributes:
        left: sockets that are still open.
    """

    def __init__(
        self,
        connections: set[Any],
        seconds: float | None,
        *,
        batch: int = DRAIN_BATCH,
        every: float = DRAIN_EVERY,
        forced: Callable[[], bool] = lambda: False,
    ) -> None:
        self.connections = connections
        self.seconds = seconds
        self.batch = batch
        self.every = every
        self.forced = forced

    @property
    def left(self) -> int:
        """How many sockets are still open."""
        return sum(isinstance(connection, WebSocketProtocol) for connection in self.connections)

    async def run(self) -> None:
        """Close all open sockets. Returns when all have ended, or when the time is over."""
        sockets: list[WebSocketProtocol] = [
            connection for connection in self.connections if isinstance(connection, WebSocketProtocol)
        ]
        if not sockets:
            return
        loop = asyncio.get_running_loop()
        self.ends = math.inf if self.seconds is None else loop.time() + self.seconds * SHARE
        self.window = retry_window(len(sockets))
        batch = self.batch
        if self.seconds is not None and self.every > 0:
            rounds = max(1, int(self.seconds * SHARE / 2 / self.every))
            batch = max(batch, math.ceil(len(sockets) / rounds))
        logger.info("Draining %d sockets, %d every %g seconds", len(sockets), batch, self.every)
        leaving: set[asyncio.Task[None]] = set()
        random.shuffle(sockets)
        at = loop.time()
        for start in range(0, len(sockets), batch):
            if start and not await self.pause(at - loop.time()):
                break
            for socket in sockets[start : start + batch]:
                farewell = farewells.get(socket)
                if farewell is None and not socket.is_busy():
                    self.close(socket)
                else:
                    leaving.add(asyncio.ensure_future(self.leave(socket, farewell)))
            at += self.every
        while leaving and not self.forced() and loop.time() < self.ends:
            _, leaving = await asyncio.wait(leaving, timeout=LOOK_EVERY)
        for task in leaving:
            task.cancel()
        if leaving:
            await asyncio.wait(leaving)
        for socket in sockets:  # sockets that did not become quiet in time, or whose batch never came
            self.close(socket)
        # Each socket has a timer now: its transport ends by the peer or by the timer.
        while self.left and not self.forced() and loop.time() < self.ends:
            await asyncio.sleep(LOOK_EVERY)

    async def pause(self, seconds: float) -> bool:
        """Wait for the next batch. Returns whether there is time for it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := min(until, self.ends) - loop.time()) > 0 and not self.forced():
            await asyncio.sleep(min(left, 0.1))
        return not self.forced() and loop.time() < self.ends

    async def leave(self, socket: WebSocketProtocol, farewell: Any) -> None:
        """Tell one socket, wait until it is quiet, close it."""
        loop = asyncio.get_running_loop()
        if farewell is not None and socket.is_connected():
            await farewell()
        until = min(self.ends, loop.time() + ANSWER_SECONDS)
        while socket.is_busy() and loop.time() < until:
            await asyncio.sleep(LOOK_EVERY)
        self.close(socket)

    def close(self, socket: WebSocketProtocol) -> None:
        """Close one socket with 1012 and a time to reconnect; no effect if it has ended."""
        socket.go_away(f"retry={random.randint(0, self.window)}")
