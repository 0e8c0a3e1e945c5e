"""The side that listens: it knows the workers of a service, and answers for all workers.

The counts of workers that have ended are kept, so that the counters of a service only grow: the last numbers of a
    worker, from a scrape or from its end.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wirefast._core.close import POLICY_VIOLATION
from wirefast.control.rpc import LINE_MAX, Line, LineError
from wirefast.metrics.merging import Snapshot, lasting, merged

__all__ = ["Service"]

#: The most connections at the same time: of workers, and of commands that ask.
LINES_MAX = 2048
#: Seconds that a worker has for an answer.
WORKER_SECONDS = 3.0


class Member:
    """A worker: its connection, and its last numbers."""

    def __init__(self, line: Line | None, agent: Any, index: int, pid: int) -> None:
        self.line = line
        self.agent = agent
        self.index = index
        self.pid = pid
        self.last: Snapshot = {}

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Ask the worker; None if it does not answer."""
        try:
            if self.agent is not None:
                return await self.agent.handle(do, arguments)
            if self.line is None:
                raise AssertionError
            return await self.line.ask(do, seconds=WORKER_SECONDS, **arguments)
        except LineError:
            return None


class Service:
    """All workers of one service.

    Args:
        path: the path of the socket to listen on.
        drain: called when a command asks for the end of the service.
        agent: the only worker, if it lives in this process.
    """

    def __init__(self, path: Path, drain: Callable[[], None], agent: Any = None) -> None:
        self.path = path
        self.drain = drain
        self.started = time.time()
        self.members: dict[Any, Member] = {}
        self.past: Snapshot = {}
        self.deaths = 0
        self._lines: set[Line] = set()
        self._server: asyncio.Server | None = None
        if agent is not None:
            self.members[agent] = Member(None, agent, 0, os.getpid())

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=LINE_MAX)
        self.path.chmod(0o600)

    async def stop(self) -> None:
        """Listen no more, and end the connections."""
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            line.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def handle(do: str, arguments: dict[str, Any]) -> Any:
            return await self.answer(do, arguments, line)

        line = Line(reader, writer, handle)
        if len(self._lines) >= LINES_MAX:
            line.close()
            return
        self._lines.add(line)
        try:
            await line.run()
        finally:
            self._lines.discard(line)
            member = self.members.pop(line, None)
            if member is not None:
                self.past = merged([self.past, lasting(member.last)])

    # ---- Questions ----

    async def answer(self, do: str, arguments: dict[str, Any], line: Line | None = None) -> Any:
        """Answer one question.

        Args:
            do: the word of the question.
            arguments: the arguments of the question.
            line: the connection of the question.

        Raises:
            LineError: the question is unknown, or its arguments are wrong.
        """
        if do == "hello" and line is not None:
            self.members[line] = Member(line, None, int(arguments["worker"]), int(arguments["pid"]))
            return True
        if do == "goodbye" and line in self.members:
            self.members[line].last = arguments["snapshot"]
            return True
        if do == "snapshot":
            return await self.snapshot()
        if do == "status":
            return await self.status()
        if do == "kick":
            return await self.kick(arguments)
        if do == "drain":
            self.drain()
            return True
        if do == "ready":
            return await self.ready()
        raise LineError(f"there is no question {do[:40]!r}")

    async def _all(self, do: str, **arguments: Any) -> list[tuple[Member, Any]]:
        members = list(self.members.values())
        answers = await asyncio.gather(*(member.ask(do, **arguments) for member in members))
        return [(member, answer) for member, answer in zip(members, answers, strict=True) if answer is not None]

    async def snapshot(self) -> Snapshot:
        """Return the numbers of the whole service."""
        answers = await self._all("snapshot")
        for member, answer in answers:
            member.last = answer
        # A worker that did not answer in time counts with its last numbers.
        snapshots = [member.last for member in self.members.values()]
        total = merged([self.past, *snapshots])
        total["wirefast_workers"] = {"": len(answers)}
        total["wirefast_worker_deaths_total"] = {"": self.deaths}
        return total

    async def status(self) -> dict[str, Any]:
        """Return what `wirefast top` shows: the service, and each of its workers."""
        workers = [answer for _, answer in await self._all("status")]
        return {
            "pid": os.getpid(),
            "seconds": round(time.time() - self.started, 1),
            "workers": sorted(workers, key=lambda worker: worker["worker"]),
        }

    async def ready(self) -> bool:
        """Whether a worker serves and all workers are ready."""
        answers = [answer for _, answer in await self._all("ready")]
        return bool(answers) and all(answers)

    async def kick(self, arguments: dict[str, Any]) -> int:
        """Close the sockets of a user. Returns how many there were."""
        user = arguments.get("user")
        if not isinstance(user, str) or not user:
            raise LineError("kick takes the name of a user")
        code, reason = arguments.get("code", POLICY_VIOLATION), arguments.get("reason", "")
        return sum(answer for _, answer in await self._all("kick", user=user, code=code, reason=reason))
