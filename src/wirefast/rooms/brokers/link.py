"""A link: one connection to one kind of broker, used once."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

__all__ = ["BrokerLink", "LinkError", "TurnBudget", "one_line"]

#: What is handled of what arrives before other tasks of the loop have their turn: messages, and seconds.
MESSAGES_IN_A_TURN = 32
SECONDS_IN_A_TURN = 0.005


class LinkError(Exception):
    """Why a link failed, or could not be made, in one line without secrets."""


class BrokerLink(ABC):
    """One connection, used once, built in its loop. What it cannot do raises ``LinkError``; it is closed after that.

    ``receive`` is called with room and payload for what arrives; ``overrun`` with a room of which the client had to
    drop something that had arrived. ``ended`` is resolved with the reason when the connection is lost.
    """

    heard = 0  # counts what arrived; a slow link still counts, a dead one does not

    def __init__(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> None:
        self.receive = receive
        self.overrun = overrun
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: object) -> None:
        """Say that the connection is lost; the first reason counts."""
        if not self.ended.done():
            self.ended.set_result(one_line(reason))

    @abstractmethod
    async def open(self) -> None:
        """Connect, authenticate and begin to read."""

    @abstractmethod
    async def change(self, add: Sequence[str], drop: Sequence[str]) -> None:
        """Subscribe to some rooms, unsubscribe from others, and wait until the broker has confirmed both."""

    @abstractmethod
    async def publish(self, batch: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
        """Publish in this order and wait until the broker has it all. Returns what it refused: room and reason."""

    @abstractmethod
    async def check(self) -> None:
        """Go to the broker and back, on every connection that the link has, and behind a publish that is under way."""

    @abstractmethod
    async def close(self) -> None:
        """Free everything at once, also on a connection that is stuck. Never fails, and does not wait for the peer.

        What is under way in another method ends, also where it took no notice of having been cancelled.
        """


def one_line(error: object) -> str:
    """Return the text of an error as one line of at most 200 characters; its class where it has none."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"


class TurnBudget:
    """How much of what arrives is handled in one turn of the event loop: a message may go to thousands of sockets."""

    def __init__(self) -> None:
        self._messages = 0
        self._ends = 0.0
        self._over = False

    def is_over(self) -> bool:
        """Count one more message; whether the caller is to let the event loop turn now."""
        if self._over:
            return True
        self._messages += 1
        now = time.monotonic()
        if self._messages == 1:
            self._ends = now + SECONDS_IN_A_TURN
        elif self._messages >= MESSAGES_IN_A_TURN or now >= self._ends:
            self._over = True
            asyncio.get_running_loop().call_soon(self._begin)
        return self._over

    def _begin(self) -> None:
        self._messages, self._over = 0, False
