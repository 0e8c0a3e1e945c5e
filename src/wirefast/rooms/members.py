"""List the members of a room, or those that are in none of some rooms, and close them."""

from __future__ import annotations

import logging

from wirefast._core.fanout import RoomMember
from wirefast.rooms.models import OpenRoom

logger = logging.getLogger("wirefast.rooms")


def listed(room: OpenRoom) -> list[RoomMember]:
    """Return the members as a list, which no code changes: a join or a leave makes another list."""
    if room.listed is None:
        room.listed = list(room.members)
    return room.listed


def in_none_of(rooms: set[str], members: list[RoomMember]) -> list[RoomMember]:
    """Return the members that are in none of these rooms."""
    return [member for member in members if member.rooms.keys().isdisjoint(rooms)] if rooms else members


def dismiss(members: list[RoomMember], code: int, reason: str) -> None:
    """Close the members' sockets after their waiting messages; a failure is logged, and the others are closed."""
    for member in members:
        try:
            member.dismiss(code, reason)
        except Exception:
            logger.exception("Closing a WebSocket failed")
