"""Room: a room's name, or the pattern of names, with the types of the messages that are published to it."""

from __future__ import annotations

from string import Formatter
from typing import Any, Generic, TypeVar

from typing_extensions import TypeForm

from wirefast._core.unions import leaves

Sends = TypeVar("Sends", contravariant=True)


class Room(Generic[Sends]):
    """A room, or a kind of room, whose messages have known types; a hub takes it in place of a room's name.

    ``Room("lobby", Said)`` is one room. ``Room("room:{room_id}", Said | Joined)`` is one room for each value of its
    fields: call it with the values, ``hub.publish(room(room_id=7), Said(...))``. Type checkers and ``publish`` refuse a
    message of another type.

    Args:
        name: the name, or a pattern with fields in braces; ``{{`` and ``}}`` stand for braces.
        sends: a model, or a union of models.

    Raises:
        TypeError: the name is no str.
        ValueError: a malformed pattern, or a field that is no identifier.
    """

    __slots__ = ("name", "fields", "sends", "_classes")

    def __init__(self, name: str, sends: TypeForm[Sends]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a room's name is a str, not {type(name).__name__}")
        self.name = name
        self.sends = sends
        self.fields = _fields(name)
        self._classes = _classes(sends)
        if not self.fields:
            self.name = name.format()

    def __call__(self, **fields: object) -> Room[Sends]:
        """Return the room of these values.

        Raises:
            TypeError: a field is missing or unknown.
        """
        if fields.keys() != self.fields:
            raise TypeError(f"the room {self.name!r} has the fields {sorted(self.fields)}, not {sorted(fields)}")
        room: Room[Sends] = Room.__new__(Room)
        room.name = self.name.format(**fields)
        room.sends, room._classes, room.fields = self.sends, self._classes, frozenset()
        return room

    def check(self, message: object) -> None:
        """Raise TypeError for a message of another type than the room's; only classes are checked."""
        if self._classes is not None and not isinstance(message, self._classes):
            allowed = " | ".join(found.__name__ for found in self._classes)
            raise TypeError(f"the room {self.name!r} sends {allowed}, not {type(message).__name__}")

    def __repr__(self) -> str:
        return f"Room({self.name!r}, {self.sends!r})"


def _fields(name: str) -> frozenset[str]:
    found = set()
    for _, field, form, conversion in Formatter().parse(name):
        if field is None:
            continue
        if not field.isidentifier() or form or conversion:
            raise ValueError(f"a field of a room's name is an identifier in braces, which {field!r} in {name!r} is not")
        found.add(field)
    return frozenset(found)


def _classes(sends: Any) -> tuple[type, ...] | None:
    """Return the classes of the messages; None if a type is no class."""
    classes = tuple(leaves(sends))
    try:
        isinstance(None, classes)
    except TypeError:  # list[int], a TypedDict, Any
        return None
    return classes
