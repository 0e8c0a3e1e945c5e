"""The numbers that hubs give to what they send each other, so that each notices what it has missed."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator

from wirefast.rooms import envelope
from wirefast.rooms.envelope import Envelope

#: Rooms of which a hub remembers what it sent last, and other hubs that a room remembers.
MAX_SENT, MAX_HEARD = 4096, 64


class SequenceLog:
    """What one hub has sent. Each message has a number of the hub, and tells the one before it in its room.

    Attributes:
        trace: gives the ``traceparent`` that goes with a message; None without telemetry.
    """

    def __init__(self) -> None:
        self.id = os.urandom(8).hex()
        self.trace: Callable[[], str | None] | None = None
        self._sequence = 0
        # Room -> the number of what went there last; the rooms of late uses at the end.
        self._sent: OrderedDict[str, int] = OrderedDict()

    def letters(
        self, names: tuple[str, ...], kind: str, data: bytes, policy: str | None = None, key: str | int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the payload for each of the rooms that one message goes to."""
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
    """Note a message in what a room has heard; whether it is new, and whether one before it may be missing.

    A broker delivers the messages of one hub in their order, once. A number that goes back therefore means that one of
    the two was forged, or that the broker broke its promise: the hub is believed again from there on, and a gap is
    told. One of the last two numbers again is taken for the same message.
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
