"""The messages between hubs through a broker: one line of JSON about a message, then its payload."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from wirefast._core.close import MAX_REASON, check_code
from wirefast._core.fanout import check_key
from wirefast._core.outbox import as_policy
from wirefast.rooms.models import check_names, check_room_count

TEXT, BINARY, CLOSE = "t", "b", "c"
_KINDS = (TEXT, BINARY, CLOSE)

#: The most bytes of the line before the payload: the names of 256 rooms and a key, each of the greatest length.
MAX_HEAD = 262144
#: The most characters of the name of a hub; wirefast's names have 16.
MAX_HUB = 64
#: W3C's `traceparent` in its first version, https://www.w3.org/TR/trace-context/#traceparent-header.
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
#: The `traceparent` at the end of the line before the payload. No other member is an object, so no other text matches.
_TRACE_AT_END = re.compile(rb'\{"traceparent":"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"\}\]')
_TRACE_SIZE = len('{"traceparent":""}]') + 55
#: The largest number of a message. A hub that sends a million messages a second reaches it in 285 years.
MAX_SEQUENCE = 2**53


class TooLarge(ValueError):
    """An envelope whose payload is larger than any message that may wait for a socket here."""


@dataclass(slots=True)
class Envelope:
    """A message on its way to other hubs.

    Attributes:
        hub: the name of the sending hub; a hub ignores its own messages.
        sequence: the number of the message among all messages of that hub.
        previous: the number of the hub's previous message to this room; 0 if that is unknown.
        kind: a text or binary message, or the closing of the room.
        rooms: all rooms of the message; empty if it has only this room.
        policy: the name of the policy of the call; None for the room's.
        key: for conflation.
        data: the payload; of a closing, the code and the reason as in a close frame.
        trace: the ``traceparent`` of the span that was current at the call; None without telemetry.
    """

    hub: str
    sequence: int
    previous: int
    kind: str
    data: bytes
    rooms: list[str]
    policy: str | None = None
    key: str | int | None = None
    trace: str | None = None


def encode(envelope: Envelope) -> bytes:
    """Return the payload for the broker."""
    e = envelope
    head: list[Any] = [e.hub, e.sequence, e.previous, e.kind, e.rooms, e.policy, e.key]
    if e.trace is not None:
        head.append({"traceparent": e.trace})
    while len(head) > 4 and head[-1] in (None, []):
        head.pop()
    return orjson.dumps(head) + b"\n" + e.data


def decode(payload: bytes, max_data: int | None = None) -> Envelope:
    """Read the envelope in a payload, and check each of its fields as ``Hub.publish`` and ``Hub.close`` check theirs.

    Any client of the broker may have published the payload, so its size is checked before it is parsed.

    Args:
        payload: as the broker delivered it.
        max_data: bytes that the message may have. Default: any number.

    Raises:
        TooLarge: the message has more than ``max_data`` bytes.
        ValueError: no hub sends such a payload; the text says what is wrong.
    """
    end = payload.find(b"\n", 0, MAX_HEAD + 1)
    if end < 0:
        raise ValueError("no envelope")
    if max_data is not None and len(payload) - end - 1 > max_data:
        raise TooLarge(f"a message of {len(payload) - end - 1} bytes is larger than what may wait for one socket")
    head = orjson.loads(payload[:end])
    if type(head) is not list or not 4 <= len(head) <= 8:
        raise ValueError("no envelope")
    trace = None if len(head) < 8 else _read_trace(head.pop())
    rest: list[Any] = [[], None, None]
    hub, sequence, previous, kind, rooms, policy, key = head + rest[len(head) - 4 :]
    if (
        type(hub) is not str
        or len(hub) > MAX_HUB
        or type(sequence) is not int
        or not 1 <= sequence <= MAX_SEQUENCE
        or type(previous) is not int
        or not 0 <= previous <= MAX_SEQUENCE
        or kind not in _KINDS
        or type(rooms) is not list
        or type(policy) not in (str, type(None))
        or type(key) not in (str, int, type(None))
    ):
        raise ValueError("malformed envelope")
    data = payload[end + 1 :]
    if rooms:
        _check_rooms(rooms)
    if policy is not None:
        as_policy(policy)
    if key is not None:
        check_key(key)
    if kind == CLOSE:
        if not 2 <= len(data) <= 2 + MAX_REASON:
            raise ValueError("malformed closing")
        check_code(int.from_bytes(data[:2], "big"))
    if kind != BINARY:
        data[2 if kind == CLOSE else 0 :].decode("utf-8")
    return Envelope(hub, sequence, previous, kind, data, rooms, policy, key, trace)


def trace_of(payload: bytes) -> str | None:
    """Return the ``traceparent`` of a payload without reading the rest; None without one."""
    end = payload.find(b"\n", 0, MAX_HEAD + 1)
    found = _TRACE_AT_END.fullmatch(payload, end - _TRACE_SIZE, end) if end >= _TRACE_SIZE else None
    return None if found is None else str(found[1], "ascii")


def _read_trace(found: Any) -> str:
    trace = found.get("traceparent") if type(found) is dict and len(found) == 1 else None
    if type(trace) is not str or _TRACE.fullmatch(trace) is None:
        raise ValueError("malformed trace")
    return trace


def _check_rooms(rooms: list[Any]) -> None:
    check_room_count(rooms)
    if not all(type(room) is str for room in rooms):
        raise ValueError("malformed names of rooms")
    check_names(rooms)
