"""A broker in memory, between the hub of a test and those of other processes, with everything that can go wrong.

wirefast only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from wirefast.rooms.brokers.link import BrokerLink, LinkError
from wirefast.rooms.brokers.outgoing import NOTICES
from wirefast.rooms.brokers.supervisor import Limits, SupervisedBroker
from wirefast.rooms.hub import Hub
from wirefast.testing.clock import Clock

__all__ = ["Broker", "MemoryBroker", "MemoryLink", "join_network"]

#: A hub of a test is back in a few milliseconds once its broker is.
QUICK = Limits(first_delay=0.001, longest_delay=0.004, linger=0.0)


class Broker:
    """The network between hubs: ``live.broker``.

    It delivers at once, in order and once, until a test says otherwise. What is published here by `publish` comes from
    a real hub, as of another process.

    Args:
        clock: by which `slow` delays.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.links: list[MemoryLink] = []
        self.brokers: list[MemoryBroker] = []
        #: Room and payload of all that was published, in order.
        self.published: list[tuple[str, bytes]] = []
        self._down = False
        self._delay = 0.0
        self._copies = 1
        self._lost = 0
        self._other: Hub | None = None

    # ---- Faults ----

    def cut(self) -> None:
        """Break every link, and let none be made, until `heal`. What is published meanwhile waits, within bounds."""
        self._down = True
        for link in list(self.links):
            link.end("cut by the test")
        self.links.clear()

    def heal(self) -> asyncio.Future[None]:
        """Let links be made again; await it to wait until every hub is back."""
        self._down = False
        return asyncio.ensure_future(self._healed())

    async def _healed(self) -> None:
        await self._clock.settle()  # a hub learns of the cut in a later turn
        while not all(broker.connected for broker in self.brokers):
            await self._clock.real_sleep(0.001)
        await self._clock.settle()

    def slow(self, seconds: float) -> None:
        """Deliver each payload some ``seconds`` of the clock later, in order. ValueError: they are negative."""
        if seconds < 0:
            raise ValueError(f"slow takes seconds from 0 on, not {seconds!r}")
        self._delay = seconds

    def duplicate(self, copies: int = 2) -> None:
        """Deliver so many ``copies`` of each payload, which no broker should. ValueError: less than 1."""
        if copies < 1:
            raise ValueError(f"duplicate takes how often each payload comes, from 1 on, not {copies!r}")
        self._copies = copies

    def lose(self, payloads: int = 1) -> None:
        """Lose the next payloads silently; ``payloads`` is their number. ValueError: less than 0."""
        if payloads < 0:
            raise ValueError(f"lose takes a number of payloads, not {payloads!r}")
        self._lost = payloads

    def steady(self) -> None:
        """No delay, no copies, no loss."""
        self._delay, self._copies, self._lost = 0.0, 1, 0

    # ---- Another process ----

    async def other(self) -> Hub:
        """Return a hub as of another process, without members."""
        if self._other is None:
            self._other = Hub()
            join_network(self._other, self)
            await self._other.start()
        return self._other

    async def publish(self, room: str, message: Any, **options: Any) -> None:
        """Publish from another process; the arguments are those of ``Hub.publish``. Delivered when it returns."""
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
        """Take a payload to every link that has its room."""
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
        """Take a link on. LinkError: the broker is cut off."""
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
    """What a hub has in place of Redis or NATS: the same supervision, over a network in memory."""

    def __init__(self, network: Broker, limits: Limits = QUICK) -> None:
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
    """Give a hub that does not run a broker on this network; calling what is returned gives it its own back."""
    before = hub._url, hub._broker

    def give_back() -> None:
        hub._url, hub._broker = before

    hub._url, hub._broker = "memory://", MemoryBroker(network)
    return give_back
