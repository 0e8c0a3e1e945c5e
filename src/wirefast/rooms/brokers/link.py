"""A link: one connection to one kind of broker, used once."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

__all__ = ["BrokerLink", "LinkError", "TurnBudget", "one_line"]

#: How many messages, and seconds, are handled before other tasks of the loop have their turn.
MESSAGES_IN_A_TURN = 32
SECONDS_IN_A_TURN = 0.005


class LinkError(Exception):
    """A link failed, or could not be made. ``str()`` is the reason in one line without secrets."""


class BrokerLink(ABC):
    """One connection, made in its loop and used once. Failures raise ``LinkError``, after which the link is closed.

    ``receive`` is called with the room and the payload of each message; ``overrun`` with a room of which the client had
    to drop messages. ``ended`` gets the reason when the connection is lost.
    """

    heard = 0  # counts what arrived: the number of a slow link grows, that of a dead link does not

    def __init__(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> None:
        self.receive = receive
        self.overrun = overrun
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: object) -> None:
        """Note that the connection is lost. The first reason stays."""
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
        """Publish in this order and wait until the broker has everything. Returns the room and the reason of each
        refusal."""

    @abstractmethod
    async def check(self) -> None:
        """Make a round trip to the broker on every connection of the link, behind a publish that is running."""

    @abstractmethod
    async def close(self) -> None:
        """Free everything at once, even if the connection is stuck. Never fails, and does not wait for the peer.

        A call of another method that is running ends, even if it ignored its cancellation.
        """


def one_line(error: object) -> str:
    """Return the text of an error as one line of at most 200 characters; its class if it has none."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"


class TurnBudget:
    """Bounds how many messages one turn of the event loop handles: a message may go to thousands of sockets."""

    def __init__(self) -> None:
        self._messages = 0
        self._ends = 0.0
        self._over = False

    def is_over(self) -> bool:
        """Count one more message. Returns whether the caller has to let the event loop turn now."""
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
