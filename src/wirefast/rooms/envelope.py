"""What hubs say to each other through a broker: one line of JSON about a message, then its payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

TEXT, BINARY, CLOSE = "t", "b", "c"
_KINDS = (TEXT, BINARY, CLOSE)


@dataclass(slots=True)
class Envelope:
    """A message on its way to other hubs.

    Attributes:
        hub: who sent it; a hub ignores its own.
        sequence: counts what that hub has sent.
        previous: the sequence of what it sent to this room before; 0 where it does not know.
        kind: a text or binary message, or the closing of the room.
        rooms: all rooms it was published to; empty where that is this one only.
        policy: the name of the policy that the call asked for; None for the room's.
        key: for conflation.
        data: the payload; of a closing, the code and the reason as in a close frame.
    """

    hub: str
    sequence: int
    previous: int
    kind: str
    data: bytes
    rooms: list[str]
    policy: str | None = None
    key: str | int | None = None


def encode(envelope: Envelope) -> bytes:
    """The payload for the broker."""
    e = envelope
    head: list[Any] = [e.hub, e.sequence, e.previous, e.kind, e.rooms, e.policy, e.key]
    while len(head) > 4 and head[-1] in (None, []):
        head.pop()
    return orjson.dumps(head) + b"\n" + e.data


def decode(payload: bytes) -> Envelope:
    """The envelope in a payload.

    Raises:
        ValueError: it is none of ours.
    """
    line, newline, data = payload.partition(b"\n")
    head = orjson.loads(line) if newline else None
    if type(head) is not list or not 4 <= len(head) <= 7:
        raise ValueError("no envelope")
    rest: list[Any] = [[], None, None]
    hub, sequence, previous, kind, rooms, policy, key = head + rest[len(head) - 4 :]
    if (
        type(hub) is not str
        or type(sequence) is not int
        or type(previous) is not int
        or kind not in _KINDS
        or type(rooms) is not list
        or not all(type(room) is str for room in rooms)
        or type(policy) not in (str, type(None))
        or type(key) not in (str, int, type(None))
    ):
        raise ValueError("malformed envelope")
    if kind == CLOSE and len(data) < 2:
        raise ValueError("malformed closing")
    if kind != BINARY:
        data[2 if kind == CLOSE else 0 :].decode("utf-8")
    return Envelope(hub, sequence, previous, kind, data, rooms, policy, key)
