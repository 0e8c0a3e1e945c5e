"""A broker in memory, between the hub of a test and the hubs of other processes. A test can make it fail in many ways.

wirefast only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from wirefast.rooms.brokers.link import BrokerLink, LinkError
from wirefast.rooms.brokers.outgoing import NOTICES
from wirefast.rooms.brokers.supervisor import BrokerLimits, SupervisedBroker
from wirefast.rooms.hub import Hub
from wirefast.testing.clock import Clock

__all__ = ["Broker", "MemoryBroker", "MemoryLink", "join_network"]

#: After its broker's return, a hub of a test is connected again in a few milliseconds.
QUICK = BrokerLimits(first_delay=0.001, longest_delay=0.004, linger=0.0)


class Broker:
    """The network between hubs: ``live.broker``.

    The broker delivers each payload at once, in order and once, until a test changes that. `publish` publishes by a
    real hub, which stands for another process.

    Args:
        clock: the clock that measures the delays of `slow`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.links: list[MemoryLink] = []
        self.brokers: list[MemoryBroker] = []
        #: Room and payload of every publication, in order.
        self.published: list[tuple[str, bytes]] = []
        self._down = False
        self._delay = 0.0
        self._copies = 1
        self._lost = 0
        self._other: Hub | None = None

    # ---- Faults ----

    def cut(self) -> None:
        """Break every link, and refuse new ones until `heal`. Publications wait meanwhile, within bounds."""
        self._down = True
        for link in list(self.links):
            link.end("cut by the test")
        self.links.clear()

    def heal(self) -> asyncio.Future[None]:
        """Let links be made again. Await the result to wait until every hub is connected again."""
        self._down = False
        return asyncio.ensure_future(self._healed())

    async def _healed(self) -> None:
        await self._clock.settle()  # a hub notices the cut in a later turn
        while not all(broker.connected for broker in self.brokers):
            await self._clock.real_sleep(0.001)
        await self._clock.settle()

    def slow(self, seconds: float) -> None:
        """Deliver each payload some ``seconds`` of the clock later, in order. ValueError: ``seconds`` is negative."""
        if seconds < 0:
            raise ValueError(f"slow takes seconds from 0 on, not {seconds!r}")
        self._delay = seconds

    def duplicate(self, copies: int = 2) -> None:
        """Deliver each payload ``copies`` times, which is a broker's fault. ValueError: ``copies`` is less than 1."""
        if copies < 1:
            raise ValueError(f"duplicate takes how often each payload comes, from 1 on, not {copies!r}")
        self._copies = copies

    def lose(self, payloads: int = 1) -> None:
        """Lose the next payloads silently. ``payloads`` is their number. ValueError: the number is negative."""
        if payloads < 0:
            raise ValueError(f"lose takes a number of payloads, not {payloads!r}")
        self._lost = payloads

    def steady(self) -> None:
        """Deliver every payload once and at once again."""
        self._delay, self._copies, self._lost = 0.0, 1, 0

    # ---- Another process ----

    async def other(self) -> Hub:
        """Return a hub that stands for another process and has no members."""
        if self._other is None:
            self._other = Hub()
            join_network(self._other, self)
            await self._other.start()
        return self._other

    async def publish(self, room: str, message: Any, **options: Any) -> None:
        """Publish from another process, with the arguments of ``Hub.publish``. Return after the delivery."""
        hub = await self.other()
        await hub.publish(room, message, **options)
        await self._flush()

    async def close(self, room: str, code: int = 1000, reason: str = "") -> None:
        """Close a ``room`` from another process, with ``code`` and ``reason`` as in ``Hub.close``."""
        hub = await self.other()
        await hub.close(room, code, reason)
        await self._flush()

    async def _flush(self) -> None:
        if not (self._other is not None and self._other._broker is not None):
            raise AssertionError
        if not self._down:
            await self._other._broker.flush()
            await self._clock.settle()

    async def stop(self) -> None:
        """End the other process."""
        if self._other is not None:
            await self._other.stop()
            self._other = None

    # ---- The links' side ----

    def deliver(self, room: str, payload: bytes) -> None:
        """Deliver a payload to every link that has its room."""
        if room != NOTICES:
            self.published.append((room, payload))
            if self._lost:
                self._lost -= 1
                return
        for _ in range(1 if room == NOTICES else self._copies):
            if self._delay:
                self._clock.call_later(self._delay, self._arrive, room, payload)
            else:
                self._arrive(room, payload)

    def _arrive(self, room: str, payload: bytes) -> None:
        for link in list(self.links):
            if room in link.rooms:
                link.heard += 1
                link.receive(room, payload)

    def connect(self, link: MemoryLink) -> None:
        """Accept a link. LinkError: the broker is cut off."""
        if self._down:
            raise LinkError("cut by the test")
        self.links.append(link)


class MemoryLink(BrokerLink):
    """One connection to a `Broker`."""

    def __init__(self, network: Broker, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> None:
        super().__init__(receive, overrun)
        self.network = network
        self.rooms: set[str] = set()

    async def open(self) -> None:
        await asyncio.sleep(0)
        self.network.connect(self)

    async def change(self, add: Sequence[str], drop: Sequence[str]) -> None:
        await asyncio.sleep(0)
        self.rooms.update(add)
        self.rooms.difference_update(drop)

    async def publish(self, batch: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
        await asyncio.sleep(0)
        if self.ended.done():
            raise LinkError(self.ended.result())
        for room, payload in batch:
            self.network.deliver(room, payload)
        return []

    async def check(self) -> None:
        await asyncio.sleep(0)

    async def close(self) -> None:
        if self in self.network.links:
            self.network.links.remove(self)


class MemoryBroker(SupervisedBroker):
    """Connects a hub to this network in place of Redis or NATS, with the same supervision."""

    def __init__(self, network: Broker, limits: BrokerLimits = QUICK) -> None:
        super().__init__("Memory", limits)
        self.network = network

    async def start(self, deliver: Callable[[str, bytes], None], gap: Callable[[list[str]], None]) -> None:
        await super().start(deliver, gap)
        self.network.brokers.append(self)

    async def stop(self) -> None:
        if self in self.network.brokers:
            self.network.brokers.remove(self)
        await super().stop()

    def make_link(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> MemoryLink:
        return MemoryLink(self.network, receive, overrun)


def join_network(hub: Hub, network: Broker) -> Callable[[], None]:
    """Give a stopped hub a broker on this network. Return a function that gives the hub its own broker back."""
    before = hub._url, hub._broker

    def give_back() -> None:
        hub._url, hub._broker = before

    hub._url, hub._broker = "memory://", MemoryBroker(network)
    return give_back
