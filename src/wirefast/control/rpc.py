"""Questions and answers as lines of JSON over one connection, in both directions at once.

A question is ``{"id": n, "do": word, ...}``, its answer ``{"re": n, "ok": ...}`` or ``{"re": n, "error": "..."}``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["ANSWER_SECONDS", "LINE_MAX", "Line", "LineError", "LineLost"]

#: The most bytes of one line; an answer about tens of thousands of sockets fits.
LINE_MAX = 16 * 1024 * 1024
#: Seconds for an answer.
ANSWER_SECONDS = 5.0
#: How many questions of one side may wait for their answers.
PENDING_MAX = 1000


class LineError(Exception):
    """The other side has answered with an error. ``str()`` is its text."""


class LineLost(LineError):
    """The connection has ended, or no answer came in time."""


class Line:
    """One connection.

    Args:
        reader, writer: the ends of the connection.
        handle: called with the word and the arguments of each question; returns the answer, a value with a JSON form.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handle: Callable[[str, dict[str, Any]], Awaitable[Any]],
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.handle = handle
        self._number = 0
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, do: str, /, seconds: float = ANSWER_SECONDS, **arguments: Any) -> Any:
        """Ask, and wait for the answer.

        Raises:
            LineLost: there is no answer in time.
            LineError: the answer is an error.
        """
        if len(self._pending) >= PENDING_MAX:
            raise LineLost("too many questions wait for their answers")
        self._number += 1
        number = self._number
        future = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            self._write({"id": number, "do": do, **arguments})
            return await asyncio.wait_for(future, seconds)
        except asyncio.TimeoutError:
            raise LineLost(f"no answer in {seconds:g} seconds") from None
        except OSError as exc:
            raise LineLost(str(exc)) from None
        finally:
            self._pending.pop(number, None)

    async def run(self) -> None:
        """Answer questions and take answers until the connection ends."""
        try:
            while line := await self.reader.readline():
                try:
                    found = json.loads(line)
                except ValueError:
                    break
                if not isinstance(found, dict):
                    break
                if "do" in found:
                    if len(self._tasks) >= PENDING_MAX:
                        break
                    task = asyncio.ensure_future(self._answer(found))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                elif (future := self._pending.get(found.get("re", 0))) is not None and not future.done():
                    if "error" in found:
                        future.set_exception(LineError(str(found["error"])))
                    else:
                        future.set_result(found.get("ok"))
        except (OSError, ValueError):
            pass  # lost, or a line without an end
        finally:
            self.close()

    async def _answer(self, found: dict[str, Any]) -> None:
        number, do = found.pop("id", None), str(found.pop("do"))
        try:
            answer = {"re": number, "ok": await self.handle(do, found)}
        except (LineError, ValueError, TypeError) as exc:
            answer = {"re": number, "error": " ".join(str(exc).split())}
        try:
            self._write(answer)
            await self.writer.drain()
        except OSError:
            pass

    def _write(self, message: dict[str, Any]) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """End the connection; questions that wait fail."""
        self.writer.close()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(LineLost("the connection has ended"))
        for task in list(self._tasks):
            task.cancel()
