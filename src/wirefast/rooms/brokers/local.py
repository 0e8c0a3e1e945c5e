"""Rooms across the workers of one machine, without a broker: a Unix socket to a relay.

`Hub()` uses it by itself under ``wirefast run --workers N``. It promises the same as the other brokers: each message at
most once, the messages of one publisher and room in order, and a report of each gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from wirefast.rooms.brokers import frames
from wirefast.rooms.brokers.base import InvalidBrokerURL, take_prefix
from wirefast.rooms.brokers.link import BrokerLink, LinkError, TurnBudget, one_line
from wirefast.rooms.brokers.supervisor import BrokerLimits, SupervisedBroker

__all__ = ["LocalBroker"]

#: After so many publishes the relay is asked whether it has them.
CONFIRM_EVERY = 32
#: The times are short, since the relay is started again at once.
NEAR = BrokerLimits(first_delay=0.02, longest_delay=1.0, connect_within=10.0)


class LocalBroker(SupervisedBroker):
    """The relay of one machine's workers.

    Args:
        url: ``local:///path/of/the.sock``; ``?prefix=`` keeps applications apart.
        limits: sizes and times. Default: the module's.

    Raises:
        InvalidBrokerURL: a URL without a path.
    """

    def __init__(self, url: str, limits: BrokerLimits | None = None) -> None:
        address, prefix = take_prefix(url)
        parts = urlsplit(address)
        if parts.netloc or not parts.path:
            raise InvalidBrokerURL("the URL of the relay has the form local:///path")
        super().__init__(f"the relay at {parts.path}", NEAR if limits is None else limits)
        self._path = parts.path
        self._prefix = f"{prefix}:".encode()

    def make_link(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> LocalLink:
        return LocalLink(self._path, self._prefix, receive, overrun, self.outgoing.note_lost)


class LocalLink(BrokerLink, asyncio.Protocol):
    """One connection to the relay, which answers questions in order."""

    def __init__(
        self,
        path: str,
        prefix: bytes,
        receive: Callable[[str, bytes], None],
        overrun: Callable[[str], None],
        note_lost: Callable[[str], None],
    ) -> None:
        super().__init__(receive, overrun)
        self._note_lost = note_lost
        # The rooms of the messages that were written since the last answer of the relay.
        self._unconfirmed: list[str] = []
        self._publishes = 0
        self._path = path
        self._prefix = prefix
        self._transport: Any = None
        self._splitter = frames.Splitter()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._arrived: deque[bytes] = deque()
        self._budget = TurnBudget()
        self._paused = False

    # ---- The connection ----

    async def open(self) -> None:
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, self._path)
        except OSError as error:
            raise LinkError(one_line(error.strerror or error)) from None
        await self.check()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or "the relay has closed the connection")

    def _fail(self, reason: object) -> None:
        self.end(reason)
        lost, self._unconfirmed = self._unconfirmed, []
        for room in lost:
            self._note_lost(room)
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(LinkError(one_line(reason)))

    async def close(self) -> None:
        self._arrived.clear()
        if self._transport is not None:
            self._transport.abort()
        self._fail("closed")

    # ---- What arrives ----

    def data_received(self, data: bytes) -> None:
        try:
            for whole in self._splitter.feed(data):
                kind = whole[4]
                if kind == frames.MESSAGE:
                    self._arrived.append(whole)
                elif kind == frames.DONE and self._waiting:
                    self.heard += 1
                    future = self._waiting.popleft()
                    if not future.done():
                        future.set_result(None)
                else:
                    raise frames.FrameError("an answer to no question")
            self._hand_on()
        except frames.FrameError as error:
            self._fail(error)
            self._transport.abort()

    def _hand_on(self) -> None:
        """Give the hub as many messages as one turn of the loop may handle; stop reading while messages are left."""
        while self._arrived:
            whole = self._arrived.popleft()
            room, at = frames.split_message(whole)
            self.heard += 1
            self.receive(room[len(self._prefix) :].decode(), whole[at:])
            if self._budget.is_over() and self._arrived:
                if not self._paused:
                    self._paused = True
                    self._transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._next_turn)
                return
        if self._paused and not self.ended.done():
            self._paused = False
            self._transport.resume_reading()

    def _next_turn(self) -> None:
        try:
            self._hand_on()
        except frames.FrameError as error:
            self._fail(error)
            self._transport.abort()

    # ---- What leaves ----

    async def _ask(self, data: list[bytes]) -> None:
        if self.ended.done() or self._transport is None:
            raise LinkError("the connection is closed")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        data.append(frames.frame(frames.SYNC))
        self._transport.write(b"".join(data))
        await future

    async def change(self, add: Sequence[str], drop: Sequence[str]) -> None:
        changes = ((frames.ADD, add), (frames.DROP, drop))
        await self._ask(
            [frames.frame(kind, [self._prefix + room.encode() for room in rooms]) for kind, rooms in changes if rooms]
        )

    async def publish(self, batch: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
        refused: list[tuple[str, str]] = []
        data = []
        for room, payload in batch:
            whole = frames.message(self._prefix + room.encode(), payload)
            if len(whole) > frames.FRAME_MAX:
                refused.append((room, f"{len(payload)} bytes are more than the relay takes"))
            else:
                data.append(whole)
        self._publishes += 1
        if self._publishes < CONFIRM_EVERY and not self._transport.get_write_buffer_size():
            # The kernel has the message. An answer to each message would cost as much as the message.
            if self.ended.done():
                raise LinkError("the connection is closed")
            self._unconfirmed += [room for room, _ in batch]
            self._transport.write(b"".join(data))
        else:
            await self._confirm(data)
        return refused

    async def check(self) -> None:
        await self._confirm([])

    async def _confirm(self, data: list[bytes]) -> None:
        """Write, and wait until the relay has this and everything that was written before."""
        before = len(self._unconfirmed)
        self._publishes = 0
        await self._ask(data)
        del self._unconfirmed[:before]
