"""The common part of all brokers over a network: keep one link connected, and keep the state that outlives a link.

A ``BrokerLink`` is one connection to one kind of broker, from ``open`` to its first failure. A new link replaces a
failed one. ``SupervisedBroker`` opens links, checks that they answer, and gives each link to its two parts:
`Subscriptions` for wanted rooms and arriving messages, and `OutgoingQueue` for the messages that leave.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from wirefast.logger import logger
from wirefast.rooms.brokers.base import Broker, BrokerUnavailable, Deliver, Gap
from wirefast.rooms.brokers.link import BrokerLink, LinkError, one_line
from wirefast.rooms.brokers.notices import Owed, read_notice
from wirefast.rooms.brokers.outgoing import NOTICES, OutgoingQueue
from wirefast.rooms.brokers.subscriptions import Subscriptions

__all__ = ["BrokerLimits", "SupervisedBroker", "forget"]

T = TypeVar("T")

# How often the wait for an answer is extended while the link still delivers: the answer is behind a backlog.
EXTENSIONS = 8


@dataclass(frozen=True)
class BrokerLimits:
    """Seconds and sizes of a supervised broker.

    A connection that stalls without a close is noticed within ``check_every`` + ``answer_within`` seconds.
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
        """Return the seconds before an attempt (0, 1, …): a random time between half a delay and the whole delay, which
        doubles with each attempt up to the longest.

        The jitter spreads the reconnections of many processes.
        """
        longest = min(self.longest_delay, self.first_delay * 2.0 ** min(attempt, 60))
        return longest * random.uniform(0.5, 1.0)


class SupervisedBroker(Broker):
    """A broker over links of one kind. ``name`` is its name in texts, such as ``Redis at localhost:6379``."""

    def __init__(self, name: str, limits: BrokerLimits | None = None) -> None:
        self.name = name
        self.limits = limits = limits or BrokerLimits()
        self._identity = secrets.token_hex(8)
        self._link: BrokerLink | None = None  # the current link; None without one
        self._ready_at = 0.0
        self._lost_at = 0.0
        self._supervisor: asyncio.Task[None] | None = None
        self.subscriptions = Subscriptions(limits.linger, self._answer_in_time)
        self.outgoing = OutgoingQueue(name, self._identity, limits.queue_payloads, limits.queue_bytes)
        self._owed = Owed(self.subscriptions.wanted, self.subscriptions.tell_wanted)

    @abstractmethod
    def make_link(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> BrokerLink:
        """Make a link, which is not open yet."""

    # ---- The interface for a hub ----

    async def start(self, deliver: Deliver, gap: Gap) -> None:
        if self._supervisor is not None:
            raise RuntimeError("a broker is started once")
        self.subscriptions.deliver, self.subscriptions.gap = deliver, gap
        try:
            link = await self._open()
        except LinkError as error:
            raise BrokerUnavailable(f"{self.name}: {error}") from None
        self._link_ready(link)
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
        return self._link is not None and not self.subscriptions.missed

    @property
    def ready_at(self) -> float:
        """The loop's time at which the present link was ready, or the last one."""
        return self._ready_at

    @property
    def lag(self) -> float:
        return self.outgoing.lag

    @property
    def dropped(self) -> int:
        return self.outgoing.dropped

    def subscribe(self, room: str) -> None:
        self.subscriptions.subscribe(room, self._supervisor is not None)

    def unsubscribe(self, room: str) -> None:
        self.subscriptions.unsubscribe(room)

    async def subscribed(self, room: str) -> None:
        await self.subscriptions.subscribed(room)

    def publish(self, room: str, payload: bytes) -> None:
        if self._supervisor is None or self._supervisor.done():
            self.outgoing.dropped += 1
        else:
            self.outgoing.put(room, payload)

    async def flush(self) -> None:
        await self.outgoing.flush()

    # ---- The life of links ----

    async def _open(self) -> BrokerLink:
        link = self.make_link(self._receive, self.subscriptions.overrun)
        try:
            await self._answer(link, link.open(), self.limits.connect_within)
            await self._answer(link, link.change([NOTICES], []), self.limits.connect_within)
        except BaseException:
            await link.close()
            raise
        return link

    async def _supervise(self, link: BrokerLink) -> None:
        attempt = 0
        try:
            while True:
                reason = await self._serve(link)
                self._link_lost(reason)
                if asyncio.get_running_loop().time() - self._ready_at > 2 * self.limits.longest_delay:
                    attempt = 0  # the link worked for some time; otherwise the pauses keep growing
                link, attempt = await self._reopen(reason, attempt)
                self.reconnects += 1
                seconds = asyncio.get_running_loop().time() - self._lost_at
                self._link_ready(link)
                rooms = len(self.subscriptions.wanted)
                logger.warning("%s is back after %.1f s, %d rooms to subscribe", self.name, seconds, rooms)
        finally:
            self._link = None
            self._owed.stop()
            self.subscriptions.stop()
            self.outgoing.stop()

    async def _reopen(self, reason: str, attempt: int) -> tuple[BrokerLink, int]:
        """Try until a link is open."""
        while True:
            await asyncio.sleep(self.limits.delay(attempt))
            attempt += 1
            try:
                return await self._open(), attempt
            except LinkError as error:
                if str(error) != reason:
                    reason = str(error)
                    logger.warning("%s is still away: %s", self.name, reason)

    async def _serve(self, link: BrokerLink) -> str:
        """Use a link until it fails, close the link, and return the reason."""
        work = (self.subscriptions.keep(link), self.outgoing.keep(link), self._keep_checking(link))
        tasks = [asyncio.ensure_future(part) for part in work]
        first: set[asyncio.Future[Any]] = {*tasks, link.ended}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed = [error for task in tasks if task.done() and (error := task.exception())]
            for task in tasks:
                task.cancel()
            # Closed before the tasks have ended: nats-py swallows a cancellation and waits until its connection is
            # closed.
            await link.close()
            await asyncio.gather(*tasks, return_exceptions=True)
        return link.ended.result() if link.ended.done() else one_line(_as_link_error(failed[0]))

    def _link_ready(self, link: BrokerLink) -> None:
        self._link = link
        self._ready_at = asyncio.get_running_loop().time()
        self.subscriptions.link_ready()
        self.outgoing.link_ready()

    def _link_lost(self, reason: str) -> None:
        self._link = None
        self._lost_at = asyncio.get_running_loop().time()
        self.subscriptions.link_lost()
        logger.warning("%s is lost: %s; members of this process are served, connecting again", self.name, reason)

    async def _keep_checking(self, link: BrokerLink) -> None:
        while True:
            await asyncio.sleep(self.limits.check_every)
            await self._answer(link, link.check(), self.limits.answer_within)

    async def _answer_in_time(self, link: BrokerLink, work: Coroutine[Any, Any, None]) -> None:
        await self._answer(link, work, self.limits.answer_within)

    async def _answer(self, link: BrokerLink, work: Coroutine[Any, Any, T], within: float) -> T:
        """Return the result of an exchange with the broker.

        Raises:
            LinkError: the link has ended, or did not answer for so many seconds.
        """
        task = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {task, link.ended}
        try:
            silent = tries = 0
            heard = link.heard
            # Two waits of half the time: after a long block of the loop the first wait times out, and the second reads
            # the answer.
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

    # ---- What arrives ----

    def _receive(self, room: str, payload: bytes) -> None:
        if room == NOTICES:
            self._receive_notice(payload)
        else:
            self.subscriptions.receive(room, payload)

    def _receive_notice(self, notice: bytes) -> None:
        """Tell rooms that another hub lost messages ``age`` seconds ago at the latest: some rooms, or all."""
        try:
            sender, age, rooms = read_notice(notice)
        except ValueError as error:
            self.malformed += 1
            if self.malformed == 1:
                logger.warning("%s delivered a notice that no hub has sent: %s", self.name, one_line(error))
            return
        # The gap at the start of this link covers what was lost before.
        if sender != self._identity and asyncio.get_running_loop().time() - age > self._ready_at:
            self._owed.add(None if rooms is None else self.subscriptions.wanted.intersection(rooms))


def _as_link_error(error: BaseException) -> LinkError:
    """Turn other exceptions of a client library into a LinkError."""
    if isinstance(error, LinkError):
        return error
    return LinkError(f"{type(error).__name__}: {one_line(error)}")


def forget(task: asyncio.Future[Any]) -> None:
    """Read the result of a task that is no longer awaited, so that asyncio does not log its exception."""
    if not task.cancelled():
        task.exception()
