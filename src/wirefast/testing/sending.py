"""The sending half of a test's client: messages, fragments, any frame, any bytes. wirefast only."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wirefast.testing.errors import ConnectionLost
from wirefast.testing.frames import BINARY, CONTINUATION, TEXT
from wirefast.testing.matching import to_payload

if TYPE_CHECKING:
    from wirefast.testing.lines import Ended, Line
    from wirefast.testing.running import Live

__all__ = ["Sending"]


class Sending:
    """The part of a `Peer` that sends."""

    name: str
    _live: Live
    _line: Line
    _end: Ended | None = None

    def __init__(self) -> None:
        self._refs: Iterator[int] = itertools.count(1)

    async def send(self, value: Any, *, ref: int | str | bool | None = None) -> int | str | None:
        """Send a message.

        Args:
            value: a str (a text message), bytes (a binary one), or a model, dict, list ... (JSON text).
            ref: the message's ``"ref"``, for `expect_reply`; True for the next number.

        Returns:
            The ref.

        Raises:
            ConnectionLost: the connection has ended.
            TypeError: a ref is given for a value that is no JSON object.
        """
        number: int | str | None = next(self._refs) if ref is True else None if ref is None or ref is False else ref
        await self._send(*to_payload(value, number))
        return number

    async def send_all(self, *values: Any) -> None:
        """Send one message after the other; see `send`."""
        for value in values:
            await self.send(value)

    async def send_json(self, value: Any) -> None:
        """Send any value as JSON text. A str becomes a JSON string."""
        await self._send(*to_payload(value, as_json=True))

    async def send_fragments(self, *parts: str | bytes) -> None:
        """Send one message in several frames. It is text if the first part is a str. TypeError: there are no parts."""
        if not parts:
            raise TypeError("send_fragments takes the parts of a message")
        for at, part in enumerate(parts):
            opcode = CONTINUATION if at else TEXT if isinstance(part, str) else BINARY
            await self.send_frame(opcode, part.encode() if isinstance(part, str) else part, fin=at == len(parts) - 1)

    async def send_frame(
        self,
        opcode: int,
        data: bytes = b"",
        *,
        fin: bool = True,
        rsv: int = 0,
        mask: bytes | None = b"\x01\x02\x03\x04",
    ) -> None:
        """Send any frame, legal or not.

        Args:
            opcode: 0 to 15.
            data: the payload.
            fin: whether the frame ends its message.
            rsv: the reserved bits of the first byte: 0x40, 0x20, 0x10.
            mask: four bytes; None for a frame without a mask.
        """
        await self._begin()
        self._line.send_frame(opcode, data, fin, rsv, mask)
        await asyncio.sleep(0)

    @property
    def unsent(self) -> int:
        """Bytes that wait on this side, because the server does not read and the network is full."""
        return self._line.unsent

    async def send_raw(self, data: bytes) -> None:
        """Send ``data`` without a frame."""
        await self._begin()
        self._line.send_raw(data)
        await asyncio.sleep(0)

    async def _begin(self) -> None:
        await self._live.clock.arrived()
        if self._end is not None:
            raise ConnectionLost(f"{self.name} cannot send: the connection has ended with {self._end}")

    async def _send(self, is_text: bool, data: bytes) -> None:
        await self._begin()
        self._line.send_message(is_text, data)
        await asyncio.sleep(0)
