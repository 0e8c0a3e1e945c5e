"""The numbers of the messages between hubs, by which each hub notices what it has missed."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator

from wirefast.rooms import envelope
from wirefast.rooms.envelope import Envelope

#: How many rooms a hub remembers the last message of, and how many other hubs a room remembers.
MAX_SENT, MAX_HEARD = 4096, 64


class SequenceLog:
    """The numbers of one hub's messages. A message has its own number, and that of the previous message to the room.

    Attributes:
        trace: returns the ``traceparent`` of a message; None without telemetry.
    """

    def __init__(self) -> None:
        self.id = os.urandom(8).hex()
        self.trace: Callable[[], str | None] | None = None
        self._sequence = 0
        # Room -> the number of the last message to it; the rooms used last are at the end.
        self._sent: OrderedDict[str, int] = OrderedDict()

    def letters(
        self, names: tuple[str, ...], kind: str, data: bytes, policy: str | None = None, key: str | int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the payload for each room of one message."""
        self._sequence += 1
        rooms = list(names) if len(names) > 1 else []
        trace = None if self.trace is None else self.trace()
        for name in names:
            previous = self._sent.pop(name, 0)
            self._sent[name] = self._sequence
            if len(self._sent) > MAX_SENT:
                self._sent.popitem(last=False)
            letter = Envelope(self.id, self._sequence, previous, kind, data, rooms, policy, key, trace)
            yield name, envelope.encode(letter)


def hear(heard: OrderedDict[str, tuple[int, int]], received: Envelope) -> tuple[bool, bool]:
    """Note a message of a room. Returns whether it is new, and whether an earlier message may be missing.

    A broker delivers the messages of one hub once and in order. So after a lower number one of the two messages is
    forged, or the broker broke its promise: counting continues from the lower number, and a gap is reported. One of the
    last two numbers again means the same message.
    """
    last, before = heard.pop(received.hub, (0, 0))
    sequence = received.sequence
    new = sequence not in (last, before)
    heard[received.hub] = (sequence, last) if new else (last, before)
    if len(heard) > MAX_HEARD:
        heard.popitem(last=False)
    if not last:
        return True, False
    return new, new and (sequence < last or received.previous > last)
