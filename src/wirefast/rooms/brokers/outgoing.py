"""The payloads that a supervised broker sends, in a bounded queue, and the notices of lost payloads.

One task sends the queue in batches. A batch whose link failed is never sent again, since the broker may have it already
and a payload must arrive at most once. A notice tells the other hubs the rooms of such a batch, and of payloads that
did not fit into the queue. Notices are published to a room of their own, the room without a name.
"""

from __future__ import annotations

import asyncio
from collections import deque

import orjson

from wirefast.logger import logger
from wirefast.rooms.brokers.link import BrokerLink
from wirefast.rooms.brokers.notices import NOTICES_EVERY, ROOMS_IN_A_NOTICE

__all__ = ["BYTES_IN_A_BATCH", "NOTICES", "PAYLOADS_IN_A_BATCH", "OutgoingQueue"]

NOTICES = ""  # the room of notices; the names of other rooms are not empty
PAYLOADS_IN_A_BATCH = 1_024
BYTES_IN_A_BATCH = 1 << 20
#: How many reasons of refusals are logged for one link.
REFUSALS_LOGGED = 10


class OutgoingQueue:
    """The payloads of one broker that its links have not sent yet.

    Args:
        name: the name of the broker, in log lines.
        identity: the identity of the hub, in its notices.
        max_payloads: how many may be queued.
        max_bytes: how many bytes may be queued.
    """

    def __init__(self, name: str, identity: str, max_payloads: int, max_bytes: int) -> None:
        self.name = name
        self.identity = identity
        self.max_payloads = max_payloads
        self.max_bytes = max_bytes
        self.dropped = 0
        self.lag = 0.0  # seconds that the broker took to accept the last batch
        self.queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._given = 0  # all payloads that were queued
        self._settled = 0  # the payloads that were accepted or dropped
        self._flushing: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._overflow = 0  # dropped since the queue was full
        self._refusals: set[str] = set()
        self.lost: dict[str, None] = {}  # the rooms that the next notice names
        self._lost_all = False  # more rooms than a notice names
        self._lost_at = 0.0
        self._notice_at = 0.0  # the earliest time of the next notice: an overload would send one with each batch
        self._notice_timer: asyncio.TimerHandle | None = None

    def link_ready(self) -> None:
        """Send the queue over a new link."""
        self._refusals.clear()
        self._wake.set()

    def stop(self) -> None:
        """Drop what is queued."""
        if self._notice_timer is not None:
            self._notice_timer.cancel()
        self.dropped += len(self.queue)
        self.queue.clear()
        self._queued_bytes = 0
        self._settle(self._given - self._settled)

    def put(self, room: str, payload: bytes) -> None:
        """Queue a payload, or drop it if the queue is full."""
        if len(self.queue) >= self.max_payloads or self._queued_bytes + len(payload) > self.max_bytes:
            if not self._overflow:
                logger.warning("%s: the queue is full, payloads are dropped", self.name)
            self._overflow += 1
            self.note_lost(room)
            return
        self.queue.append((room, payload))
        self._queued_bytes += len(payload)
        self._given += 1
        self._wake.set()

    async def flush(self) -> None:
        """Wait until what is queued now was accepted or dropped."""
        if self._settled == self._given:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushing.append((self._given, done))
        await done

    async def keep(self, link: BrokerLink) -> None:
        """Publish over a link until it fails."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (notice := self._take_notice()) or self.queue:
                batch = self._take_batch()
                began = asyncio.get_running_loop().time()
                try:
                    # The check waits behind a publish, so its deadline ends a publish that hangs. A deadline for each
                    # batch would cost two tasks.
                    refused = await link.publish([*notice, *batch])
                except BaseException:
                    # The batch may have arrived, so it is not sent again.
                    for room, _ in batch:
                        self.note_lost(room)
                    if notice:
                        self._lost_all = True
                    raise
                finally:
                    self._settle(len(batch))
                self.lag = asyncio.get_running_loop().time() - began
                for room, reason in refused:
                    self._note_refused(room, reason)
            if self._overflow and not self.queue:
                logger.warning("%s: %d payloads were dropped while the queue was full", self.name, self._overflow)
                self._overflow = 0

    def _settle(self, count: int) -> None:
        """Count payloads as accepted or dropped, and wake the tasks that wait for them."""
        self._settled += count
        while self._flushing and self._flushing[0][0] <= self._settled:
            done = self._flushing.popleft()[1]
            if not done.done():
                done.set_result(None)

    def note_lost(self, room: str) -> None:
        """Count a dropped payload and keep its room for the next notice."""
        self.dropped += 1
        self._lost_at = asyncio.get_running_loop().time()
        if not self._lost_all:
            self.lost[room] = None
            if len(self.lost) > ROOMS_IN_A_NOTICE:
                self._lost_all = True
                self.lost.clear()
        self._wake.set()

    def _note_refused(self, room: str, reason: str) -> None:
        if reason not in self._refusals and len(self._refusals) < REFUSALS_LOGGED:
            self._refusals.add(reason)
            logger.warning("%s refused a payload of room %r: %s (said once)", self.name, room, reason)
        if room != NOTICES:
            self.note_lost(room)

    def _take_batch(self) -> list[tuple[str, bytes]]:
        batch: list[tuple[str, bytes]] = []
        size = 0
        while self.queue and len(batch) < PAYLOADS_IN_A_BATCH and size < BYTES_IN_A_BATCH:
            item = self.queue.popleft()
            size += len(item[1])
            batch.append(item)
        self._queued_bytes -= size
        return batch

    def _take_notice(self) -> list[tuple[str, bytes]]:
        """Return the notice of lost payloads, if payloads were lost and the bound of time allows a notice."""
        if not self.lost and not self._lost_all:
            return []
        now = asyncio.get_running_loop().time()
        if now < self._notice_at:
            if self._notice_timer is None:
                loop = asyncio.get_running_loop()
                self._notice_timer = loop.call_later(self._notice_at - now, self._notice_due)
            return []
        self._notice_at = now + NOTICES_EVERY
        rooms = None if self._lost_all else list(self.lost)
        self._lost_all = False
        self.lost.clear()
        content = {"from": self.identity, "age": now - self._lost_at, "rooms": rooms}
        return [(NOTICES, orjson.dumps(content))]

    def _notice_due(self) -> None:
        self._notice_timer = None
        self._wake.set()
