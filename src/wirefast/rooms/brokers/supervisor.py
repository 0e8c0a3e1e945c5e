"""What every networked broker needs: one link kept alive, subscriptions made true, a bounded queue, gaps told.

A ``Link`` is one connection to one kind of broker, from ``open`` to its first failure; it is never repaired, a new one
takes its place. ``SupervisedBroker`` owns what outlives a link:

* what is wanted (``_wanted``) against what the link has confirmed (``_confirmed``). One task compares the two for the
  rooms in ``_changed``, sends one change at a time and waits for the answer, so there is never a doubt about which
  answer belongs to which wish. A room that nobody wants any more lingers a moment first: people reload pages;
* the rooms that owe their members a gap (``_missed``): all that were wanted when a link failed or before the next one
  stood. They are told when their subscription is confirmed;
* the queue of payloads. One task hands it over in batches. A batch whose link failed is never sent again, since the
  broker may have it already: at most once. Its rooms, and those whose payloads the queue had no place for, are
  announced to the other hubs in a notice, which travels in a room of its own, the one without a name.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import orjson

from wirefast.logger import logger
from wirefast.rooms.brokers.base import Broker, BrokerUnavailable, Deliver, Gap
from wirefast.rooms.brokers.link import Link, LinkError, one_line
from wirefast.rooms.brokers.notices import NOTICES_EVERY, ROOMS_IN_A_NOTICE, Owed, read_notice

__all__ = ["Limits", "Link", "LinkError", "SupervisedBroker", "forget", "one_line"]

T = TypeVar("T")

NOTICES = ""  # the room of notices: hubs never use it, since a room has a name
ROOMS_IN_A_CHANGE = 500
PAYLOADS_IN_A_BATCH = 1_024
BYTES_IN_A_BATCH = 1 << 20
ROOMS_LINGERING = 1_000
# How often a link that does not answer may go on because it still delivers: its answer stands behind a backlog.
EXTENSIONS = 8


@dataclass(frozen=True)
class Limits:
    """Seconds and sizes of a supervised broker.

    A connection that stalls without being closed is noticed within ``check_every`` + ``answer_within`` seconds.
    """

    queue_payloads: int = 10_000
    queue_bytes: int = 16 << 20
    connect_within: float = 5.0
    answer_within: float = 5.0
    check_every: float = 5.0
    stop_within: float = 2.0
    first_delay: float = 0.1
    longest_delay: float = 5.0
    linger: float = 1.0

    def delay(self, attempt: int) -> float:
        """Seconds before an attempt (0, 1, …): doubled each time up to the longest, and between half and all of it.

        The jitter keeps a thousand processes from coming back in one moment.
        """
        longest = min(self.longest_delay, self.first_delay * 2.0 ** min(attempt, 60))
        return longest * random.uniform(0.5, 1.0)


class SupervisedBroker(Broker):
    """A broker over links of one kind. ``name`` is what messages call it, such as ``Redis at localhost:6379``."""

    def __init__(self, name: str, limits: Limits | None = None) -> None:
        self.name = name
        self.limits = limits or Limits()
        self._identity = secrets.token_hex(8)
        self._deliver: Deliver | None = None
        self._gap: Gap | None = None
        self._link: Link | None = None  # the one that stands; None while there is none
        self._opened_at = 0.0
        self._lost_link_at = 0.0
        self._supervisor: asyncio.Task[None] | None = None

        self._wanted: set[str] = set()
        self._confirmed: set[str] = set()
        self._changed: dict[str, None] = {}  # a set in order
        self._change_wake = asyncio.Event()
        self._lingering: dict[str, float] = {}  # room -> when to give it up, the first one first
        self._linger_timer: asyncio.TimerHandle | None = None
        self._missed: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._overrun: set[str] = set()
        self._overrun_timer: asyncio.TimerHandle | None = None
        self._owed = Owed(self._wanted, self._tell_owed)

        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._queue_wake = asyncio.Event()
        self._given = 0  # payloads that were ever queued
        self._settled = 0  # those of them that were taken or dropped
        self._flushing: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._dropped = 0
        self._overflow = 0  # dropped since the queue had room last
        self._refusals: set[str] = set()
        self._lost: dict[str, None] = {}  # the rooms that the next notice names
        self._lost_all = False  # too many to name
        self._lost_at = 0.0
        self._notice_at = 0.0  # not before: an overload would send one with each batch
        self._notice_timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def make_link(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> Link:
        """A link that is not open yet."""

    # ---- the life of links ----

    async def start(self, deliver: Deliver, gap: Gap) -> None:
        if self._supervisor is not None:
            raise RuntimeError("a broker is started once")
        self._deliver, self._gap = deliver, gap
        try:
            link = await self._open()
        except LinkError as error:
            raise BrokerUnavailable(f"{self.name}: {error}") from None
        self._stand(link)
        self._supervisor = asyncio.create_task(self._supervise(link), name=f"wirefast: {self.name}")

    async def stop(self) -> None:
        supervisor = self._supervisor
        if supervisor is None:
            return
        if self._link is not None:
            flushing = asyncio.ensure_future(self.flush())
            await asyncio.wait({flushing}, timeout=self.limits.stop_within)
            flushing.cancel()
        supervisor.cancel()
        await asyncio.wait({supervisor})

    @property
    def connected(self) -> bool:
        return self._link is not None and not self._missed

    @property
    def dropped(self) -> int:
        return self._dropped

    async def _open(self) -> Link:
        link = self.make_link(self._receive, self._overran)
        try:
            await self._answer(link, link.open(), self.limits.connect_within)
            await self._answer(link, link.change([NOTICES], []), self.limits.connect_within)
        except BaseException:
            await link.close()
            raise
        return link

    async def _supervise(self, link: Link) -> None:
        attempt = 0
        try:
            while True:
                reason = await self._serve(link)
                self._fall(reason)
                if time.monotonic() - self._opened_at > 2 * self.limits.longest_delay:
                    attempt = 0  # it stood for a while; one that fails again at once is not asked more often
                link, attempt = await self._reopen(reason, attempt)
                seconds = time.monotonic() - self._lost_link_at
                self._stand(link)
                logger.warning("%s is back after %.1f s, %d rooms to subscribe", self.name, seconds, len(self._wanted))
        finally:
            self._end()

    async def _reopen(self, reason: str, attempt: int) -> tuple[Link, int]:
        """Try until a link stands."""
        while True:
            await asyncio.sleep(self.limits.delay(attempt))
            attempt += 1
            try:
                return await self._open(), attempt
            except LinkError as error:
                if str(error) != reason:
                    reason = str(error)
                    logger.warning("%s is still away: %s", self.name, reason)

    async def _serve(self, link: Link) -> str:
        """Do everything that a link is for until it fails, and close it; the reason."""
        work = (self._keep_subscribed(link), self._keep_publishing(link), self._keep_checking(link))
        tasks = [asyncio.ensure_future(part) for part in work]
        first: set[asyncio.Future[Any]] = {*tasks, link.ended}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed = [error for task in tasks if task.done() and (error := task.exception())]
            for task in tasks:
                task.cancel()
            # Before they have ended: nats-py swallows a cancellation and waits on, until its connection is closed.
            await link.close()
            await asyncio.gather(*tasks, return_exceptions=True)
        return link.ended.result() if link.ended.done() else one_line(_as_link_error(failed[0]))

    async def _keep_checking(self, link: Link) -> None:
        while True:
            await asyncio.sleep(self.limits.check_every)
            await self._answer(link, link.check(), self.limits.answer_within)

    async def _answer(self, link: Link, work: Coroutine[Any, Any, T], within: float) -> T:
        """The result of an exchange with the broker, unless the link ends or is silent for that many seconds."""
        task = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {task, link.ended}
        try:
            silent = tries = 0
            heard = link.heard
            # Two halves: a loop that was blocked for long finds the answer in the second, not only the time gone.
            while silent < 2 and tries < 2 + EXTENSIONS:
                await asyncio.wait(either, timeout=within / 2, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    return task.result()
                if link.ended.done():
                    raise LinkError(link.ended.result())
                tries += 1
                silent = silent + 1 if link.heard == heard else 0
                heard = link.heard
            raise LinkError(f"no answer within {within:g} s")
        except Exception as error:
            raise _as_link_error(error) from None
        finally:
            if not task.done():
                task.add_done_callback(forget)
                task.cancel()

    def _stand(self, link: Link) -> None:
        self._link = link
        self._opened_at = time.monotonic()
        self._changed = dict.fromkeys(self._wanted)
        self._refusals.clear()
        self._change_wake.set()
        self._queue_wake.set()

    def _fall(self, reason: str) -> None:
        self._link = None
        self._lost_link_at = time.monotonic()
        self._missed.update(self._wanted)
        self._confirmed.clear()
        self._lingering.clear()
        self._changed.clear()
        self._overrun.clear()
        for room in list(self._waiting):
            self._release(room)
        logger.warning("%s is lost: %s; members of this process are served, connecting again", self.name, reason)

    def _end(self) -> None:
        self._link = None
        for timer in (self._linger_timer, self._overrun_timer, self._notice_timer):
            if timer is not None:
                timer.cancel()
        self._owed.stop()
        for room in list(self._waiting):
            self._release(room)
        self._dropped += len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        self._settle(self._given - self._settled)

    # ---- subscriptions ----

    def subscribe(self, room: str) -> None:
        if room in self._wanted:
            return
        self._wanted.add(room)
        if self._link is None:
            if self._supervisor is not None:
                self._missed.add(room)
        elif self._lingering.pop(room, None) is None:
            self._touch(room)

    def unsubscribe(self, room: str) -> None:
        if room not in self._wanted:
            return
        self._wanted.discard(room)
        self._missed.discard(room)
        self._overrun.discard(room)
        self._release(room)
        if self._link is None:
            return
        if room not in self._confirmed:
            self._touch(room)
            return
        loop = asyncio.get_running_loop()
        self._lingering[room] = loop.time() + self.limits.linger
        if len(self._lingering) > ROOMS_LINGERING:
            first = next(iter(self._lingering))
            del self._lingering[first]
            self._touch(first)
        if self._linger_timer is None:
            self._linger_timer = loop.call_later(self.limits.linger, self._give_up)

    async def subscribed(self, room: str) -> None:
        if self._link is None or room not in self._wanted or room in self._confirmed:
            return
        waiting = self._waiting.get(room)
        if waiting is None:
            waiting = self._waiting[room] = asyncio.get_running_loop().create_future()
        await asyncio.shield(waiting)

    def _touch(self, room: str) -> None:
        self._changed[room] = None
        self._change_wake.set()

    def _release(self, room: str) -> None:
        waiting = self._waiting.pop(room, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _give_up(self) -> None:
        """Let go of the rooms that have lingered long enough."""
        loop = asyncio.get_running_loop()
        self._linger_timer = None
        for room, when in list(self._lingering.items()):
            if when > loop.time():
                self._linger_timer = loop.call_at(when, self._give_up)
                return
            del self._lingering[room]
            self._touch(room)

    async def _keep_subscribed(self, link: Link) -> None:
        while True:
            await self._change_wake.wait()
            self._change_wake.clear()
            while self._changed:
                add, drop = [], []
                for room in list(islice(self._changed, ROOMS_IN_A_CHANGE)):
                    del self._changed[room]
                    if room in self._wanted:
                        if room not in self._confirmed:
                            add.append(room)
                    elif room in self._confirmed and room not in self._lingering:
                        drop.append(room)
                if not add and not drop:
                    continue
                self._confirmed.difference_update(drop)
                await self._answer(link, link.change(add, drop), self.limits.answer_within)
                # What was unsubscribed while the answer was on its way is in _changed again.
                self._confirmed.update(add)
                for room in add:
                    self._release(room)
                missed = [room for room in add if room in self._missed]
                self._missed.difference_update(missed)
                self._tell(missed)

    # ---- what arrives ----

    def _receive(self, room: str, payload: bytes) -> None:
        if room == NOTICES:
            self._hear(payload)
        elif room in self._wanted and self._deliver is not None:
            if room in self._missed and self._link is not None:
                # It stands again, and this is read before the answer that says so.
                self._missed.discard(room)
                self._tell([room])
            try:
                self._deliver(room, payload)
            except Exception:
                logger.exception("A payload of room %r was not delivered", room)

    def _tell(self, rooms: list[str]) -> None:
        if rooms and self._gap is not None:
            try:
                self._gap(rooms)
            except Exception:
                logger.exception("A gap of %d rooms was not told", len(rooms))

    def _overran(self, room: str) -> None:
        """The client has dropped something, and will drop more: say so once a second at most."""
        if room in self._wanted:
            self._overrun.add(room)
            if self._overrun_timer is None:
                self._overrun_timer = asyncio.get_running_loop().call_later(1.0, self._tell_overrun)

    def _tell_overrun(self) -> None:
        self._overrun_timer = None
        rooms, self._overrun = list(self._overrun), set()
        self._tell(rooms)

    def _hear(self, notice: bytes) -> None:
        """Another hub has lost payloads ``age`` seconds ago at the latest, of some rooms or of any."""
        try:
            sender, age, rooms = read_notice(notice)
        except ValueError as error:
            self.malformed += 1
            if self.malformed == 1:
                logger.warning("%s delivered a notice that no hub has sent: %s", self.name, one_line(error))
            return
        # What was lost before this link stood is covered by the gap that it began with.
        if sender != self._identity and time.monotonic() - age > self._opened_at:
            self._owed.add(None if rooms is None else self._wanted.intersection(rooms))

    def _tell_owed(self, rooms: list[str]) -> None:
        self._tell([room for room in rooms if room in self._wanted and room not in self._missed])

    # ---- what leaves ----

    def publish(self, room: str, payload: bytes) -> None:
        if self._supervisor is None or self._supervisor.done():
            self._dropped += 1
            return
        limits = self.limits
        if len(self._queue) >= limits.queue_payloads or self._queued_bytes + len(payload) > limits.queue_bytes:
            if not self._overflow:
                logger.warning("%s: the queue is full, payloads are dropped", self.name)
            self._overflow += 1
            self._lose(room)
            return
        self._queue.append((room, payload))
        self._queued_bytes += len(payload)
        self._given += 1
        self._queue_wake.set()

    async def flush(self) -> None:
        if self._settled == self._given:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushing.append((self._given, done))
        await done

    def _settle(self, count: int) -> None:
        self._settled += count
        while self._flushing and self._flushing[0][0] <= self._settled:
            done = self._flushing.popleft()[1]
            if not done.done():
                done.set_result(None)

    def _lose(self, room: str) -> None:
        """Count a dropped payload and keep its room for the next notice."""
        self._dropped += 1
        self._lost_at = time.monotonic()
        self._name(room)
        self._queue_wake.set()

    def _name(self, room: str) -> None:
        if not self._lost_all:
            self._lost[room] = None
            if len(self._lost) > ROOMS_IN_A_NOTICE:
                self._lost_all = True
                self._lost.clear()

    async def _keep_publishing(self, link: Link) -> None:
        while True:
            await self._queue_wake.wait()
            self._queue_wake.clear()
            while (notice := self._take_notice()) or self._queue:
                batch = self._take_batch()
                try:
                    # One that does not come back is found by the check, which has to wait behind it: a deadline of
                    # its own would cost two tasks for each batch.
                    refused = await link.publish([*notice, *batch])
                except BaseException:
                    # Perhaps it arrived: sent again, it could arrive twice.
                    for room, _ in batch:
                        self._lose(room)
                    if notice:
                        self._lost_all = True
                    raise
                finally:
                    self._settle(len(batch))
                for room, reason in refused:
                    self._refused(room, reason)
            if self._overflow and not self._queue:
                logger.warning("%s: %d payloads were dropped while the queue was full", self.name, self._overflow)
                self._overflow = 0

    def _take_batch(self) -> list[tuple[str, bytes]]:
        batch: list[tuple[str, bytes]] = []
        size = 0
        while self._queue and len(batch) < PAYLOADS_IN_A_BATCH and size < BYTES_IN_A_BATCH:
            item = self._queue.popleft()
            size += len(item[1])
            batch.append(item)
        self._queued_bytes -= size
        return batch

    def _take_notice(self) -> list[tuple[str, bytes]]:
        """The notice of what was lost, where there is something to say and it is time."""
        if not self._lost and not self._lost_all:
            return []
        now = time.monotonic()
        if now < self._notice_at:
            if self._notice_timer is None:
                loop = asyncio.get_running_loop()
                self._notice_timer = loop.call_later(self._notice_at - now, self._notice_due)
            return []
        self._notice_at = now + NOTICES_EVERY
        rooms = None if self._lost_all else list(self._lost)
        self._lost_all = False
        self._lost.clear()
        content = {"from": self._identity, "age": now - self._lost_at, "rooms": rooms}
        return [(NOTICES, orjson.dumps(content))]

    def _notice_due(self) -> None:
        self._notice_timer = None
        self._queue_wake.set()

    def _refused(self, room: str, reason: str) -> None:
        if reason not in self._refusals and len(self._refusals) < 10:
            self._refusals.add(reason)
            logger.warning("%s refused a payload of room %r: %s (said once)", self.name, room, reason)
        if room != NOTICES:
            self._lose(room)


def _as_link_error(error: BaseException) -> LinkError:
    """What a client library raises beside its own errors is a failed link all the same."""
    if isinstance(error, LinkError):
        return error
    return LinkError(f"{type(error).__name__}: {one_line(error)}")


def forget(task: asyncio.Future[Any]) -> None:
    """Nobody waits for this one any more."""
    if not task.cancelled():
        task.exception()
