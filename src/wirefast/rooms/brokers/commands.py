"""Commands to Redis and their answers, over one connection of redis-py that is not made again when it is lost.

Commands are sent in the order of the calls, those of one turn of the loop in one write, and answered in that order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from wirefast.rooms.brokers.link import LinkError, TurnBudget, one_line

__all__ = ["MAX_WAITING", "RedisCommands"]

#: Commands that are not answered yet; with one more the connection counts as lost.
MAX_WAITING = 10000
#: Commands of one write.
BATCH = 64

Command = Sequence[str | bytes | int]


class RedisCommands:
    """One connection, used once, in the loop that made it.

    Attributes:
        ended: resolved with the reason when the connection is lost.

    Args:
        connection: a connection of redis-py, not connected.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._unsent: deque[Command] = deque()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._transport: asyncio.WriteTransport | None = None
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Connect and authenticate.

        Raises:
            LinkError: the server cannot be reached, or refuses us.
        """
        try:
            await self._connection.connect()
        except (RedisError, OSError) as error:
            raise LinkError(one_line(error)) from None
        writer = getattr(self._connection, "_writer", None)
        self._transport = None if writer is None else writer.transport
        for work in (self._write, self._read):
            self._tasks.append(asyncio.create_task(self._until_it_fails(work()), name="wirefast: Redis commands"))

    def call(self, *command: str | bytes | int) -> asyncio.Future[Any]:
        """Queue a command; never waits.

        Returns:
            Its answer. The future raises ``redis.exceptions.ResponseError`` if the server refuses the command, and
            ``LinkError`` if the connection is lost before the answer. Cancelling the future takes nothing back.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_take_error)
        if not self.ended.done() and len(self._waiting) >= MAX_WAITING:
            self.end(f"{MAX_WAITING} commands wait for their answers")
        if self.ended.done():
            answer.set_exception(LinkError(self.ended.result()))
            return answer
        self._unsent.append(command)
        self._waiting.append(answer)
        self._wake.set()
        return answer

    def end(self, reason: str) -> None:
        """Count as lost from now on; the first reason counts."""
        if self.ended.done():
            return
        self.ended.set_result(reason)
        self._unsent.clear()
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(LinkError(reason))
        if self._transport is not None:
            self._transport.abort()  # what a stuck connection has not taken would keep it open

    async def close(self) -> None:
        """Close the connection. Allowed at any time."""
        self.end("closed")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        try:
            await self._connection.disconnect(nowait=True)
        except (RedisError, OSError):
            pass

    async def _until_it_fails(self, work: Any) -> None:
        try:
            await work
        except (LinkError, RedisError, OSError) as error:
            self.end(one_line(error))
        except Exception as error:  # redis-py lets ValueError and others out if bytes are no protocol
            self.end(f"{type(error).__name__}: {one_line(error)}")

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            batch = [self._unsent.popleft() for _ in range(min(BATCH, len(self._unsent)))]
            if not self._unsent:
                self._wake.clear()
            if batch:
                packed = self._connection.pack_commands(batch)
                await self._connection.send_packed_command(packed, check_health=False)
                await asyncio.sleep(0)

    async def _read(self) -> None:
        turn = TurnBudget()
        while True:
            found = refused = None
            try:
                found = await self._connection.read_response(disconnect_on_error=False)
            except ResponseError as error:
                refused = error
            if not self._waiting:
                raise LinkError("an answer that no command waits for")
            answer = self._waiting.popleft()
            if answer.done():
                pass  # who asked has gone
            elif refused is None:
                answer.set_result(found)
            else:
                answer.set_exception(refused)
            if turn.is_over():
                await asyncio.sleep(0)


def _take_error(answer: asyncio.Future[Any]) -> None:
    """Retrieve the exception of an answer, so that asyncio does not log it if no task awaits the answer."""
    if not answer.cancelled():
        answer.exception()
