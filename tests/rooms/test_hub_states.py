"""A hub against a plain model: any sequence of joins, publishing by each policy, stalls, ends and closed rooms.

The model is exact: who is in which room, what has reached whom, what waits where, what was dropped. So the order of
each socket, "at most once", the bounds and "empty rooms leave nothing" are one comparison.

By default a fixed set of examples; ``WIREFAST_HUB_EXAMPLES=5000`` draws that many fresh ones.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sockets import KINDS, open_socket, turns
from wirefast.rooms import Hub, Policy

EXAMPLES = os.environ.get("WIREFAST_HUB_EXAMPLES")

ROOMS = "abc"
#: Every message has four characters, and two bytes of frame header.
SIZE = 6
POLICIES = {
    "a": Policy("drop_old", max_messages=2),
    "b": Policy("conflate", max_bytes=3 * SIZE + 1),
    "c": Policy("close", max_messages=3),
    "drop_new": Policy("drop_new", max_messages=2),
    "drop_old": Policy("drop_old", max_bytes=2 * SIZE),
    "conflate": Policy("conflate", max_messages=2),
    "close": Policy("close", max_bytes=4 * SIZE),
    "wait": Policy("wait", max_messages=2, deadline=600),
}


names_of_rooms = st.lists(st.sampled_from(ROOMS), min_size=1, max_size=3, unique=True)
choices = st.sampled_from([None, None, *list(POLICIES)[3:]])
keys = st.sampled_from([None, 1])


@dataclass
class Waiting:
    text: str
    droppable: bool
    key: Any


@dataclass(repr=False)
class Member:
    """What is expected of a socket."""

    number: int
    socket: Any
    asgi: bool
    rooms: dict[str, int] = field(default_factory=dict)
    stalled: bool = False
    #: What the peer gets, and what waits. On an ASGI server one message is in the server's hands.
    got: list[str] = field(default_factory=list)
    in_flight: str | None = None
    waiting: list[Waiting] = field(default_factory=list)
    #: "closed" and "lost" are what an ASGI server does not tell: the next message shows it.
    state: str = "open"
    #: The close that the peer sees, behind what waits.
    close_code: int | None = None
    #: Whether what it got is known: not once its end overtook what waited.
    exact: bool = True
    offered: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.number}: {type(self.socket).__name__}, {self.state}>"

    def end(self) -> None:
        self.state = "ended"
        self.rooms.clear()

    def flush(self) -> None:
        if self.in_flight is not None:
            self.got.append(self.in_flight)
        self.got += [entry.text for entry in self.waiting]
        self.in_flight, self.waiting = None, []


class HubMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.hub = Hub(policy=lambda room: POLICIES[room])
        self.members: list[Member] = []
        #: In the order in which they joined.
        self.rooms: dict[str, list[Member]] = {name: [] for name in ROOMS}
        self.serial = self.dropped = 0
        #: A publisher that waits, for whom, and how many it has reached.
        self.publisher: asyncio.Task[int] | None = None
        self.blocked: list[Member] = []
        self.blocked_text = ""
        self.reached = 0

    def do(self, work: Any) -> Any:
        async def run() -> Any:
            result = await work
            await turns(12)
            return result

        return self.loop.run_until_complete(asyncio.wait_for(run(), 60))

    def call(self, function: Any, *args: Any) -> None:
        """Within the loop, as a server calls."""

        async def work() -> None:
            function(*args)

        self.do(work())

    def settle(self) -> None:
        self.do(turns(1))
        if self.publisher is not None and not self.blocked:
            assert self.publisher.done() and self.publisher.result() == self.reached
            self.publisher = None

    def end(self, member: Member) -> None:
        member.end()
        for members in self.rooms.values():
            if member in members:
                members.remove(member)

    def some(self, data: st.DataObject, *states: str) -> Member:
        return data.draw(st.sampled_from([m for m in self.members if m.state in states] or self.members))

    @initialize(kinds=st.permutations(KINDS), names=names_of_rooms)
    def one_of_each_kind(self, kinds: list[str], names: list[str]) -> None:
        for kind in kinds:
            self.open(kind, names)

    def alive(self) -> list[Member]:
        return [member for member in self.members if member.state == "open"]

    @precondition(lambda self: len(self.alive()) < 3)
    @rule(kind=st.sampled_from(KINDS), names=names_of_rooms)
    def open(self, kind: str, names: list[str]) -> None:
        self.members.append(Member(len(self.members), self.do(open_socket(kind)), asgi=kind != "ours"))
        self.join_rooms(self.members[-1], names)

    # ---- Who is where ----

    @rule(data=st.data(), names=names_of_rooms)
    def join(self, data: st.DataObject, names: list[str]) -> None:
        self.join_rooms(self.some(data, "open", "closed", "lost", "ended"), names)

    def join_rooms(self, member: Member, names: list[str]) -> None:
        self.do(self.hub.join(names, member.socket.websocket).__aenter__())
        if member.state in ("open", "lost"):
            for name in names:
                member.rooms[name] = member.rooms.get(name, 0) + 1
                if member not in self.rooms[name]:
                    self.rooms[name].append(member)

    @rule(data=st.data(), name=st.sampled_from(ROOMS))
    def leave(self, data: st.DataObject, name: str) -> None:
        member = self.some(data, "open", "closed", "lost", "ended")
        self.call(self.hub.leave, name, member.socket.websocket)
        if member.rooms.pop(name, None):
            self.rooms[name].remove(member)

    @rule(data=st.data(), name=st.sampled_from(ROOMS))
    def join_and_leave_a_block(self, data: st.DataObject, name: str) -> None:
        member = self.some(data, "open")

        async def block() -> None:
            async with self.hub.join(name, member.socket.websocket):
                assert (member.socket.websocket in self.hub.members(name)) == (
                    member.state in ("open", "lost") or member in self.rooms[name]
                )

        self.do(block())

    # ---- Publishing ----

    @precondition(lambda self: self.publisher is None)
    @rule(
        data=st.data(),
        names=st.lists(st.sampled_from(ROOMS), min_size=1, max_size=4),
        chosen=choices,
        key=keys,
    )
    def publish(self, data: st.DataObject, names: list[str], chosen: str | None, key: Any) -> None:
        self.published(names, chosen, key, data.draw(st.lists(st.sampled_from(self.members), max_size=2)))

    @precondition(lambda self: self.slow_rooms())
    @rule(data=st.data(), chosen=choices, key=keys, count=st.integers(1, 5))
    def publish_to_the_slow(self, data: st.DataObject, chosen: str | None, key: Any, count: int) -> None:
        name = data.draw(st.sampled_from(self.slow_rooms()))
        for _ in range(count):
            if self.publisher is None:
                self.published([name], chosen, key, [])

    def slow_rooms(self) -> list[str]:
        return [name for name, members in self.rooms.items() if any(member.stalled for member in members)]

    def published(self, names: list[str], chosen: str | None, key: Any, excluded: list[Member]) -> None:
        self.serial += 1
        text = f"{self.serial:04}"
        distinct = tuple(dict.fromkeys(names))
        self.reached, self.blocked, self.blocked_text = 0, [], text
        seen: set[int] = set()
        for name in distinct:
            policy = POLICIES[chosen or name]
            for member in list(self.rooms[name]):
                if member.number not in seen and member not in excluded:
                    seen.add(member.number)
                    self.reached += self.offered(member, text, policy, (distinct, key))
        policy_given = None if chosen is None else POLICIES[chosen]
        sockets = [member.socket.websocket for member in excluded]
        self.publisher = self.loop.create_task(
            self.hub.publish(names, text, exclude=sockets, policy=policy_given, key=key)
        )
        self.settle()
        assert self.publisher is None or not self.publisher.done()

    def offered(self, member: Member, text: str, policy: Policy, key: Any) -> int:
        """The model of one member: whether the message is sent to it or queued."""
        if member.state == "closed":
            self.end(member)
            return 0
        member.offered.append(text)
        if member.state == "lost":
            self.end(member)
            return 1
        if not member.stalled:
            member.got.append(text)
            return 1
        if member.asgi and member.in_flight is None:
            member.in_flight = text
            return 1
        waiting, bound = member.waiting, min(policy.max_messages, policy.max_bytes // SIZE)
        drops = policy.name in ("drop_old", "conflate")
        if policy.name == "conflate":
            replaced = [entry for entry in waiting if entry.key == key]
            self.dropped += len(replaced)
            waiting[:] = [entry for entry in waiting if entry not in replaced]
        fixed = sum(not entry.droppable for entry in waiting) if drops else len(waiting)
        if fixed >= bound:
            if policy.name == "wait":
                self.blocked.append(member)
                return 0
            self.dropped += 1
            if policy.name == "close":
                self.dropped += len(waiting)
                waiting.clear()
                member.close_code = 1013
                self.end(member)
            return 0
        while len(waiting) >= bound:
            waiting.remove(next(entry for entry in waiting if entry.droppable))
            self.dropped += 1
        waiting.append(Waiting(text, drops, key if policy.name == "conflate" else None))
        return 1

    # ---- Peers ----

    @precondition(lambda self: any(not member.stalled for member in self.alive()))
    @rule(data=st.data())
    def stall(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from([member for member in self.alive() if not member.stalled]))
        self.call(member.socket.stall)
        member.stalled = True

    @precondition(lambda self: any(member.stalled for member in self.members))
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        self.resumed(data.draw(st.sampled_from([member for member in self.members if member.stalled])))

    def resumed(self, member: Member) -> None:
        if not member.stalled:
            return
        self.call(member.socket.resume)
        member.stalled = False
        member.flush()
        if member in self.blocked:
            self.blocked.remove(member)
            if member.state == "open":
                self.reached += 1
                member.got.append(self.blocked_text)
            elif member.state == "closed":
                self.end(member)
        self.settle()

    @precondition(lambda self: len(self.alive()) > 2)
    @rule(data=st.data(), way=st.sampled_from(["close", "lose"]))
    def peer_ends(self, data: st.DataObject, way: str) -> None:
        member = data.draw(st.sampled_from(self.alive()))
        self.call(getattr(member.socket, way))
        if member.stalled:
            member.exact = False
        if not member.asgi or (way == "lose" and member.in_flight is not None):
            self.end(member)
            if member in self.blocked:
                self.blocked.remove(member)
        else:
            member.state = "closed" if way == "close" else "lost"
        if way == "lose" or not member.asgi:
            member.stalled, member.in_flight, member.waiting = False, None, []
        self.settle()

    @precondition(lambda self: self.publisher is None and len(self.alive()) > 2)
    @rule(data=st.data(), code=st.sampled_from([1000, 4000]))
    def close_a_room(self, data: st.DataObject, code: int) -> None:
        name = data.draw(st.sampled_from(self.slow_rooms() or ROOMS))
        members = list(self.rooms[name])
        assert self.do(self.hub.close(name, code)) == len(members)
        for member in members:
            if member.state != "closed":
                member.close_code = code if member.state == "open" else None
                self.end(member)

    # ---- What always holds ----

    @invariant()
    def agrees_with_the_model(self) -> None:
        for name, members in self.rooms.items():
            assert self.hub.count(name) == len(members)
            assert self.hub.members(name) == [member.socket.websocket for member in members]
        stats = self.hub.stats
        assert stats.rooms == len(self.hub._rooms) == sum(bool(members) for members in self.rooms.values())
        assert stats.sockets == len(self.hub._members) == sum(bool(member.rooms) for member in self.members)
        assert stats.dropped == self.dropped and stats.dropped_bytes == SIZE * self.dropped
        for member in self.members:
            messages = member.socket.messages
            if member.exact:
                assert messages == member.got, f"socket {member.number}"
                if not member.stalled and member.close_code is not None:
                    assert member.socket.closed[0] == member.close_code
            else:
                left = iter(member.offered)
                assert all(message in left for message in messages), f"socket {member.number}: {messages}"
            if member.state == "open" and member.rooms and hasattr(member.socket.websocket, "buffered"):
                waiting = member.socket.websocket.buffered
                assert (waiting.messages, waiting.bytes) == (len(member.waiting), SIZE * len(member.waiting))

    def teardown(self) -> None:
        try:
            self.everything_ends()
        finally:
            while rest := asyncio.all_tasks(self.loop):
                for task in rest:
                    task.cancel()
                self.loop.run_until_complete(asyncio.wait(rest))
            self.loop.close()

    def everything_ends(self) -> None:
        if self.publisher is not None:
            self.publisher.cancel()
            self.blocked, self.publisher = [], None
            self.settle()
        for member in self.members:
            self.resumed(member)
        self.agrees_with_the_model()
        for member in self.members:
            for name in list(member.rooms):
                self.hub.leave(name, member.socket.websocket)
            self.call(member.socket.lose)
        self.do(turns(12))
        assert self.hub._rooms == {} and self.hub._members == {}


@pytest.fixture(autouse=True)
def _no_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "uvicorn.error")


def test_any_sequence_agrees_with_the_model() -> None:
    run_state_machine_as_test(
        HubMachine,
        settings=settings(
            max_examples=int(EXAMPLES or 100),
            stateful_step_count=40,
            derandomize=EXAMPLES is None,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
