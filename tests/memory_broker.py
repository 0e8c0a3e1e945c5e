"""A broker whose network lives in memory, so that everything that can go wrong with one can be made to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from slower import SLOWER
from wirefast.rooms.brokers.link import BrokerLink, LinkError
from wirefast.rooms.brokers.outgoing import NOTICES
from wirefast.rooms.brokers.supervisor import BrokerLimits, SupervisedBroker

QUICK = BrokerLimits(first_delay=0.001, longest_delay=0.004, linger=0.0)
PATIENCE = 20.0 * SLOWER


class Network:
    """The broker's side: which link has which rooms, and what goes wrong on purpose."""

    def __init__(self) -> None:
        self.links: list[MemoryLink] = []
        self.opened = 0
        self.refusal: str | None = None  # why no link can be made
        self.stuck: set[str] = set()  # names of methods that do not return
        self.stubborn = False  # whether a publish that is cancelled goes on until its link is closed
        self.denied: set[str] = set()  # rooms whose payloads are refused
        self.after_change: Callable[[], object] = list
        self.commands: list[tuple[list[str], list[str]]] = []
        self.published: list[tuple[str, bytes]] = []

    def send(self, room: str, payload: bytes) -> None:
        for link in list(self.links):
            if room in link.rooms:
                link.heard += 1
                link.receive(room, payload)

    def kill(self, reason: str = "killed") -> None:
        for link in list(self.links):
            link.end(reason)
        self.links.clear()

    async def pass_through(self, name: str) -> None:
        await asyncio.sleep(0)
        if name in self.stuck:
            await asyncio.Event().wait()


class MemoryLink(BrokerLink):
    def __init__(self, network: Network, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> None:
        super().__init__(receive, overrun)
        self.network = network
        self.rooms: set[str] = set()
        self.lock = asyncio.Lock()
        self.closed = False
        self.closing = asyncio.Event()

    async def open(self) -> None:
        await self.network.pass_through("open")
        if self.network.refusal is not None:
            raise LinkError(self.network.refusal)
        self.network.opened += 1
        self.network.links.append(self)

    async def change(self, add: Sequence[str], drop: Sequence[str]) -> None:
        assert not set(add) & self.rooms and set(drop) <= self.rooms, "a change that is none"
        if NOTICES not in add:
            self.network.commands.append((list(add), list(drop)))
            await self.network.pass_through("change")
        self.rooms.update(add)
        self.rooms.difference_update(drop)
        self.network.after_change()

    async def publish(self, batch: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
        async with self.lock:
            try:
                await self.network.pass_through("publish")
            except asyncio.CancelledError:
                if not self.network.stubborn:
                    raise
                await self.closing.wait()
                raise LinkError("closed") from None
        for room, payload in batch:
            if room not in self.network.denied:
                self.network.published.append((room, payload))
                self.network.send(room, payload)
        return [(room, "denied") for room, _ in batch if room in self.network.denied]

    async def check(self) -> None:
        async with self.lock:
            await self.network.pass_through("check")

    async def close(self) -> None:
        self.closed = True
        self.closing.set()
        if self in self.network.links:
            self.network.links.remove(self)


class MemoryBroker(SupervisedBroker):
    def __init__(self, network: Network, limits: BrokerLimits = QUICK) -> None:
        super().__init__("Memory", limits)
        self.network = network
        self.heard: list[tuple[str, bytes]] = []
        self.gaps: list[str] = []

    def make_link(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> MemoryLink:
        return MemoryLink(self.network, receive, overrun)

    async def begin(self) -> MemoryBroker:
        await self.start(lambda room, payload: self.heard.append((room, payload)), self.gaps.extend)
        return self

    async def join(self, *rooms: str) -> None:
        for room in rooms:
            self.subscribe(room)
        for room in rooms:
            await self.subscribed(room)

    @property
    def rooms(self) -> set[str]:
        """What the network has for this broker."""
        return self._link.rooms - {NOTICES} if isinstance(self._link, MemoryLink) else set()


async def until(condition: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to that"
        await asyncio.sleep(0.001)


def run(scene: Coroutine[Any, Any, None]) -> None:
    """In a loop of its own, at whose end no task of the scene may be left."""

    async def whole() -> None:
        await asyncio.wait_for(scene, 60)
        await until(lambda: len(asyncio.all_tasks()) == 1)

    asyncio.run(whole())
