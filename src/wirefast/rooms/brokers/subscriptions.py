"""The subscriptions of a supervised broker: wanted rooms, and the rooms that the link has confirmed.

One task compares both for the rooms in ``changed``. The task sends one change at a time and waits for the answer, so
each answer belongs to a known change. A room that is no longer wanted stays subscribed for a short time
(``lingering``), since people reload pages.

``missed`` has the rooms whose gap has to be reported: all rooms that were wanted when a link failed, or before
the next link was ready. The gap is reported when the subscription is confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from itertools import islice
from typing import Any

from wirefast.logger import logger
from wirefast.rooms.brokers.base import Deliver, Gap
from wirefast.rooms.brokers.link import BrokerLink

__all__ = ["ROOMS_IN_A_CHANGE", "ROOMS_LINGERING", "Answer", "Subscriptions"]

ROOMS_IN_A_CHANGE = 500
ROOMS_LINGERING = 1_000
#: Seconds between two reports of a gap after the client of the broker has dropped messages.
OVERRUN_EVERY = 1.0

#: The type of a function that waits for the result of an exchange over a link, with a deadline.
Answer = Callable[[BrokerLink, Coroutine[Any, Any, None]], Awaitable[None]]


class Subscriptions:
    """The subscriptions of one broker, through all of its links.

    Args:
        linger: seconds that a room stays subscribed after it is no longer wanted.
        answer: waits for the confirmation of a change, with the deadline of the broker.
    """

    def __init__(self, linger: float, answer: Answer) -> None:
        self.linger = linger
        self.answer = answer
        self.deliver: Deliver | None = None
        self.gap: Gap | None = None
        self.has_link = False
        self.wanted: set[str] = set()
        self.confirmed: set[str] = set()
        self.missed: set[str] = set()
        self.changed: dict[str, None] = {}  # an ordered set
        self._wake = asyncio.Event()
        self.lingering: dict[str, float] = {}  # room -> the time to unsubscribe, the earliest first
        self._linger_timer: asyncio.TimerHandle | None = None
        self.waiting: dict[str, asyncio.Future[None]] = {}
        self._overrun: set[str] = set()
        self._overrun_timer: asyncio.TimerHandle | None = None

    # ---- The life of links ----

    def link_ready(self) -> None:
        """Subscribe to every wanted room over a new link."""
        self.has_link = True
        self.changed = dict.fromkeys(self.wanted)
        self._wake.set()

    def link_lost(self) -> None:
        """Note that every wanted room may miss messages until it is confirmed again."""
        self.has_link = False
        self.missed.update(self.wanted)
        self.confirmed.clear()
        self.lingering.clear()
        self.changed.clear()
        self._overrun.clear()
        self._release_all()

    def stop(self) -> None:
        """Wake all tasks that wait."""
        self.has_link = False
        for timer in (self._linger_timer, self._overrun_timer):
            if timer is not None:
                timer.cancel()
        self._release_all()

    async def keep(self, link: BrokerLink) -> None:
        """Make changes over a link until it fails."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.changed:
                add, drop = self._next_change()
                if not add and not drop:
                    continue
                self.confirmed.difference_update(drop)
                await self.answer(link, link.change(add, drop))
                # Rooms that were unsubscribed while the task waited for the answer are in `changed` again.
                self.confirmed.update(add)
                for room in add:
                    self._release(room)
                missed = [room for room in add if room in self.missed]
                self.missed.difference_update(missed)
                self.tell(missed)

    def _next_change(self) -> tuple[list[str], list[str]]:
        add, drop = [], []
        for room in list(islice(self.changed, ROOMS_IN_A_CHANGE)):
            del self.changed[room]
            if room in self.wanted:
                if room not in self.confirmed:
                    add.append(room)
            elif room in self.confirmed and room not in self.lingering:
                drop.append(room)
        return add, drop

    # ---- Wanted rooms ----

    def subscribe(self, room: str, is_started: bool) -> None:
        """Want a room. After the start of the broker, a room that is wanted without a link misses messages."""
        if room in self.wanted:
            return
        self.wanted.add(room)
        if not self.has_link:
            if is_started:
                self.missed.add(room)
        elif self.lingering.pop(room, None) is None:
            self._change(room)

    def unsubscribe(self, room: str) -> None:
        """Want a room no longer; the subscription ends after a short time."""
        if room not in self.wanted:
            return
        self.wanted.discard(room)
        self.missed.discard(room)
        self._overrun.discard(room)
        self._release(room)
        if not self.has_link:
            return
        if room not in self.confirmed:
            self._change(room)
            return
        loop = asyncio.get_running_loop()
        self.lingering[room] = loop.time() + self.linger
        if len(self.lingering) > ROOMS_LINGERING:
            first = next(iter(self.lingering))
            del self.lingering[first]
            self._change(first)
        if self._linger_timer is None:
            self._linger_timer = loop.call_later(self.linger, self._end_lingering)

    async def subscribed(self, room: str) -> None:
        """Wait for the confirmation of a room; return at once without a link."""
        if not self.has_link or room not in self.wanted or room in self.confirmed:
            return
        waiting = self.waiting.get(room)
        if waiting is None:
            waiting = self.waiting[room] = asyncio.get_running_loop().create_future()
        await asyncio.shield(waiting)

    def _change(self, room: str) -> None:
        self.changed[room] = None
        self._wake.set()

    def _release(self, room: str) -> None:
        waiting = self.waiting.pop(room, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _release_all(self) -> None:
        for room in list(self.waiting):
            self._release(room)

    def _end_lingering(self) -> None:
        """Unsubscribe the rooms whose time is over."""
        loop = asyncio.get_running_loop()
        self._linger_timer = None
        for room, when in list(self.lingering.items()):
            if when > loop.time():
                self._linger_timer = loop.call_at(when, self._end_lingering)
                return
            del self.lingering[room]
            self._change(room)

    # ---- Arriving messages ----

    def receive(self, room: str, payload: bytes) -> None:
        """Deliver a payload of a room that is wanted."""
        if room not in self.wanted or self.deliver is None:
            return
        if room in self.missed and self.has_link:
            # The room is subscribed again, and this payload arrives before the answer that confirms it.
            self.missed.discard(room)
            self.tell([room])
        try:
            self.deliver(room, payload)
        except Exception:
            logger.exception("A payload of room %r was not delivered", room)

    def tell(self, rooms: list[str]) -> None:
        """Report a gap of some rooms."""
        if rooms and self.gap is not None:
            try:
                self.gap(rooms)
            except Exception:
                logger.exception("A gap of %d rooms was not told", len(rooms))

    def tell_wanted(self, rooms: list[str]) -> None:
        """Report a gap of some rooms, except those whose gap will be reported anyway."""
        self.tell([room for room in rooms if room in self.wanted and room not in self.missed])

    def overrun(self, room: str) -> None:
        """Report a gap of a room, because the broker's client has dropped its messages and may drop more."""
        if room in self.wanted:
            self._overrun.add(room)
            if self._overrun_timer is None:
                self._overrun_timer = asyncio.get_running_loop().call_later(OVERRUN_EVERY, self._tell_overrun)

    def _tell_overrun(self) -> None:
        self._overrun_timer = None
        rooms, self._overrun = list(self._overrun), set()
        self.tell(rooms)
