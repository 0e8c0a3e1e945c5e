"""The queue of publishers before a full outbox, under the policy ``"wait"``."""

from __future__ import annotations

import asyncio
from typing import Any

from wirefast._core.fanout import RoomMember
from wirefast._core.outbox import Outcome, Policy

__all__ = ["Turn"]


class Turn:
    """The place of one message in the queue before a full outbox, under the policy ``"wait"``."""

    def __init__(self, member: RoomMember, message: Any, policy: Policy, key: Any) -> None:
        self.member = member
        self.offer = (message, policy, key)
        self.deadline = asyncio.get_running_loop().time() + policy.deadline
        self.future: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        # Queued now: the outbox may become free before the first await.
        member.outbox.add_waiter(self.future)

    async def take(self) -> int | None:
        """Offer the message each time it may fit. Returns the number of an ``Outcome``, None at the deadline."""
        loop = asyncio.get_running_loop()
        message, policy, key = self.offer
        while True:
            if self.future is None:
                raise AssertionError
            await asyncio.wait((self.future,), timeout=max(0.0, self.deadline - loop.time()))
            if not self.future.done():
                return None
            outcome = self.member.offer(message, policy, key, True)
            if outcome != Outcome.FULL:
                return outcome
            again = loop.create_future()
            self.member.outbox.replace_first_waiter(again)
            self.future = again

    def leave(self) -> None:
        """Leave the queue, so that the next publisher has its turn. May be called twice."""
        if self.future is not None:
            self.member.outbox.remove_waiter(self.future)
            self.future = None
