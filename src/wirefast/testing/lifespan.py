"""The lifespan of an application, in a task of its own on the loop of the test. wirefast only."""

from __future__ import annotations

import asyncio
from typing import Any

from wirefast.testing.clock import Clock
from wirefast.testing.errors import StartFailed

__all__ = ["Lifespan"]

#: Real seconds that the start and the end of an application may each take. A service waits longer for its stores than a
#: test for a message.
WITHIN = 30.0


class Lifespan:
    """Starts an application, and ends it.

    An exception of the application is raised where the test waits for the start or the end. An application without a
    lifespan raises before it has received anything; it is served without a lifespan, as under uvicorn.

    Args:
        app: an ASGI application.
        clock: the loop's clock. The start and the end are bounded in real time.
    """

    def __init__(self, app: Any, clock: Clock) -> None:
        self.app = app
        self.clock = clock
        #: The state that the lifespan has made for every scope.
        self.state: dict[str, Any] = {}
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = False
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the application's start.

        Raises:
            StartFailed: the application said that its start failed, or has said nothing in time. An exception of the
                application itself is raised unchanged.
        """
        self._events.put_nowait({"type": "lifespan.startup"})
        self.task = asyncio.get_running_loop().create_task(self._run(), name="wirefast.testing: the lifespan")
        await self._in_time(self._started, "lifespan.startup")

    async def stop(self) -> None:
        """Run the application's end."""
        if self.task is None or self.task.done():
            return
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await self._in_time(self._ended, "lifespan.shutdown")
        await asyncio.wait([self.task])

    async def _in_time(self, answer: asyncio.Future[None], what: str) -> None:
        timer = self.clock.real_call_later(WITHIN, self._late, answer, what)
        try:
            await answer
        finally:
            timer.cancel()

    def _late(self, answer: asyncio.Future[None], what: str) -> None:
        self._finish(answer, StartFailed(f"the application has not answered {what} within {WITHIN:g} s"))
        if self.task is not None:
            self.task.cancel()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self._receive, self._send)
        except BaseException as exc:
            if not self._received and isinstance(exc, Exception):
                self._finish(self._started, None)
            self._finish(self._started, exc)
            self._finish(self._ended, exc)
            if isinstance(exc, asyncio.CancelledError):
                raise
        else:
            self._finish(self._started, None)
            self._finish(self._ended, None)

    async def _receive(self) -> dict[str, Any]:
        self._received = True
        return await self._events.get()

    async def _send(self, message: Any) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._finish(self._started, None)
        elif kind == "lifespan.shutdown.complete":
            self._finish(self._ended, None)
        elif kind == "lifespan.startup.failed":
            # The application may raise its exception after this message. One turn later it has done so.
            asyncio.get_running_loop().call_soon(self._failed, self._started, message.get("message", ""))
        elif kind == "lifespan.shutdown.failed":
            asyncio.get_running_loop().call_soon(self._failed, self._ended, message.get("message", ""))

    def _failed(self, future: asyncio.Future[None], text: str) -> None:
        self._finish(future, StartFailed(text or "the application's lifespan failed"))

    @staticmethod
    def _finish(future: asyncio.Future[None], exc: BaseException | None) -> None:
        if future.done():
            return
        if exc is None:
            future.set_result(None)
        else:
            future.set_exception(RuntimeError(exc) if isinstance(exc, StopIteration) else exc)
            future.exception()  # marks the exception as seen, because nothing may wait for the future
