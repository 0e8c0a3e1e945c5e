"""Shared limits against a plain model: any sequence of sockets that come, leave and are cancelled in several processes,
of Redis connections that are lost and made again, of processes that end and start.

By default a fixed set of examples; ``WIREFAST_LIMITS_EXAMPLES=2000`` draws that many fresh ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import pytest
from broker_servers import RedisProcess, until
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sharing import Side, Socket, by_query, members

from wirefast.limits import processes

EXAMPLES = os.environ.get("WIREFAST_LIMITS_EXAMPLES")
LIMIT, PROCESSES = 2, 2
Found = TypeVar("Found")

users = st.sampled_from(["ada", "bob"])
places = st.integers(0, PROCESSES - 1)
numbers = st.integers(0, 99)


class Sharing(RuleBasedStateMachine):
    """The model is a list: the open sockets with their process, the oldest first."""

    url: ClassVar[str]
    evict: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.name = f"{self.evict}-{os.urandom(8).hex()}"
        self.sides = [self.side() for _ in range(PROCESSES)]
        self.open: list[tuple[int, Socket]] = []
        # Ages are told again after a loss, and may be some milliseconds off then.
        self.exact = True

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    def side(self) -> Side:
        side = Side(self.url, per_user=LIMIT, user=by_query, evict=self.evict, name=self.name)
        self.run(side.hub.start())
        return side

    def of(self, user: str, *where: int) -> list[tuple[int, Socket]]:
        return [(at, socket) for at, socket in self.open if socket.user == user and (not where or at in where)]

    def came(self, place: int, found: Socket | None, held: list[tuple[int, Socket]]) -> None:
        """Note a socket, None where it was refused, after so many others of its user."""
        if self.evict == "newest":
            assert (found is not None) == (len(held) < LIMIT)
        else:
            assert found is not None
            excess = max(0, len(held) - LIMIT + 1)
            self.run(until(lambda: sum(bool(socket.closes) for _, socket in held) == excess))
            gone = [entry for entry in held if entry[1].closes]
            assert gone == held[:excess] or not self.exact
            for entry in gone:
                self.open.remove(entry)
                self.run(entry[1].leave())
                assert entry[1].closes == [4409]
        if found is not None:
            self.open.append((place, found))

    @rule(place=places, user=users)
    def come(self, place: int, user: str) -> None:
        self.came(place, self.run(self.sides[place].connect(user)), self.of(user))

    @precondition(lambda self: self.open)
    @rule(number=numbers)
    def leave(self, number: int) -> None:
        _, socket = self.open.pop(number % len(self.open))
        self.run(socket.leave())

    @rule(place=places, turns=st.integers(0, 25))
    def cancel(self, place: int, turns: int) -> None:
        """A user of its own, whom nobody has to make room for."""

        async def scene() -> None:
            socket = self.sides[place].open("eve")
            for _ in range(turns):
                await asyncio.sleep(0)
            socket.task.cancel()
            await asyncio.wait([socket.task])

        self.run(scene())

    @rule(place=places, user=users)
    def lose(self, place: int, user: str) -> None:
        """Lose the connection; until it is back the process decides by its own sockets."""
        side = self.sides[place]
        self.exact = False

        async def scene() -> Socket | None:
            side.counts._lose("a test")
            return await side.connect(user)

        self.came(place, self.run(scene()), self.of(user, place))
        self.run(side.back())

    @rule(place=places)
    def end(self, place: int) -> None:
        """End a process: its sockets go with it."""
        self.run(self.sides[place].hub.stop())
        for entry in [entry for entry in self.open if entry[0] == place]:
            self.open.remove(entry)
            self.run(entry[1].leave())
        self.sides[place] = self.side()

    @invariant()
    def everybody_counts_the_same(self) -> None:
        for place, side in enumerate(self.sides):
            assert side.limits.open == sum(at == place for at, _ in self.open)
            for user in ("ada", "bob"):
                assert side.held(user) == len(self.of(user, place))
            assert len(side.counts._shares) == side.limits.open
        shared = self.run(members(self.sides[0]))
        key = self.sides[0].limits.shared._key  # type: ignore[union-attr]
        for user in ("ada", "bob", "eve"):
            assert shared.get(key("user", user), 0) == len(self.of(user)), (user, shared)
        for _, socket in self.open:
            assert socket.closes == []

    def teardown(self) -> None:
        for _, socket in self.open:
            self.run(socket.leave())
        for side in self.sides:
            self.run(side.hub.stop())
        self.loop.close()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with TemporaryDirectory() as directory:
        server = RedisProcess(Path(directory))
        yield server
        server.end()


@pytest.mark.parametrize("evict", ["newest", "oldest"])
def test_any_sequence(redis: RedisProcess, evict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FIRST_DELAY", 0.02)
    machine = type("Machine", (Sharing,), {"url": redis.url, "evict": evict})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=int(EXAMPLES or 6),
            stateful_step_count=20,
            deadline=None,
            derandomize=EXAMPLES is None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
