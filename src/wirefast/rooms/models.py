"""The parts of a hub: rooms, counters, and the checks of rooms' names."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from wirefast._core.fanout import RoomMember, outlet_of
from wirefast._core.outbox import Policy
from wirefast.rooms.typed import Room

#: Characters of a room's name.
MAX_NAME = 200
#: The most rooms of one message or closing. The payload for each room has all names, so that a socket in several rooms
#: gets the message once.
MAX_ROOMS_AT_ONCE = 256

Name = str | Room[Any]
Names = Name | Iterable[Name]


class TooManyRooms(RuntimeError):
    """A socket would be in more rooms than ``max_rooms``."""


class Drop(NamedTuple):
    """The messages that a policy has dropped, for ``on_drop``.

    Attributes:
        websocket: the socket that does not get the messages.
        rooms: the rooms of the message that was published then.
        policy: the name of the policy that applied.
        messages: how many messages were dropped: the new one, or older ones.
        bytes: their size.
    """

    websocket: WebSocket | None
    rooms: tuple[str, ...]
    policy: str
    messages: int
    bytes: int


@dataclass
class Stats:
    """The counts of a hub in this process.

    Attributes:
        sockets: members now.
        rooms: rooms with members now.
        published: calls of publish.
        reached: messages sent to members or queued for them.
        dropped: messages that a policy has dropped.
        dropped_bytes: their size.
        closed: members that were closed because they read too slowly.
        ended: members whose sockets ended while they were in a room, including those that were closed.
        received: messages from other hubs.
        gaps: times that messages of a room may have been lost between hubs.
        malformed: payloads from the broker that no hub sends: of another form, or with values that publish and close
            refuse.
        refused: messages from other hubs that are larger than the policy here allows.
    """

    sockets: int = 0
    rooms: int = 0
    published: int = 0
    reached: int = 0
    dropped: int = 0
    dropped_bytes: int = 0
    closed: int = 0
    ended: int = 0
    received: int = 0
    gaps: int = 0
    malformed: int = 0
    refused: int = 0


@dataclass(slots=True, eq=False)
class OpenRoom:
    """A room that has members."""

    policy: Policy
    members: dict[RoomMember, None] = field(default_factory=dict)
    # The members as a list; None after a change.
    listed: list[RoomMember] | None = None
    # Other hubs -> the sequences of the last two messages to this room.
    heard: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)
    gap_logged: bool = False
    # The time on the loop's clock before which on_gap is not called again, the timer of a waiting call, and the running
    # call.
    gap_after: float = 0.0
    gap_timer: asyncio.TimerHandle | None = None
    gap_task: asyncio.Task[None] | None = None


_NO_MESSAGE = object()


def check_names(room: Names, message: object = _NO_MESSAGE) -> tuple[str, ...]:
    """Check the names and return each once. Check the type of the message for typed rooms."""
    names = (room,) if isinstance(room, str) else _several(room, message)
    if not names:
        raise ValueError("no room is named")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a room's name is a str, not {type(name).__name__}")
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise ValueError(f"a room's name has 1 to {MAX_NAME} printable characters, which {name[:40]!r} has not")
    return names


def check_room_count(names: Sequence[str]) -> None:
    """Raise ValueError for more rooms than one message or closing may have."""
    if len(names) > MAX_ROOMS_AT_ONCE:
        raise ValueError(
            f"{len(names)} rooms are named where {MAX_ROOMS_AT_ONCE} may be; publish to one that they all have joined"
        )


def _several(room: Any, message: object) -> tuple[Any, ...]:
    if isinstance(room, Room):
        room = (room,)
    if isinstance(room, (bytes, bytearray, memoryview)) or not isinstance(room, Iterable):
        raise TypeError(f"a room's name is a str, not {type(room).__name__}")
    names = tuple(_name_of(name, message) if isinstance(name, Room) else name for name in room)
    return tuple(dict.fromkeys(names)) if all(isinstance(name, str) for name in names) else names


def _name_of(room: Room[Any], message: object) -> str:
    if room.fields:
        fields = ", ".join(f"{name}=..." for name in sorted(room.fields))
        raise ValueError(f"{room.name!r} stands for many rooms; name one: room({fields})")
    if message is not _NO_MESSAGE:
        room.check(message)
    return room.name


def outlets_of(exclude: WebSocket | Iterable[WebSocket] | None) -> set[Any] | None:
    """Return the outlets of some sockets, which identify them in a hub."""
    if exclude is None:
        return None
    sockets = (exclude,) if isinstance(exclude, HTTPConnection) else exclude
    if not isinstance(sockets, Iterable):
        raise TypeError(f"exclude takes a WebSocket or several, not {type(exclude).__name__}")
    return {outlet_of(websocket, False) for websocket in sockets}
