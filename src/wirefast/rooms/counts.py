"""The numbers of the hubs of this process, for metrics and ``wirefast top``."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wirefast.metrics import counters
from wirefast.metrics.catalogue import FAMILIES

if TYPE_CHECKING:
    from wirefast.rooms.roster import Roster  # imports this module

__all__ = ["busiest_rooms", "count_dropped", "note_hub", "read_hubs"]

_dropped = FAMILIES["wirefast_dropped_messages_total"]
_hubs: weakref.WeakSet[Roster] = weakref.WeakSet()


def note_hub(hub: Roster) -> None:
    """Add a hub to the numbers."""
    if not _hubs:
        counters.remove_reader(read_hubs)
        counters.add_reader(read_hubs)
    _hubs.add(hub)


def count_dropped(policy: str, messages: int) -> None:
    """Count messages that a policy has dropped."""
    _dropped.of(policy).add(messages)


def read_hubs() -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield the numbers of all hubs; a reader of metrics."""
    for hub in list(_hubs):
        stats = hub.stats
        yield "wirefast_rooms", (), stats.rooms
        yield "wirefast_room_members", (), stats.sockets
        yield "wirefast_publishes_total", (), stats.published
        yield "wirefast_room_deliveries_total", (), stats.reached
        yield "wirefast_gaps_total", (), stats.gaps
        broker = hub._broker
        if broker is not None:
            yield "wirefast_broker_connected", (), int(broker.connected)
            yield "wirefast_broker_dropped_total", (), broker.dropped
            yield "wirefast_broker_reconnects_total", (), broker.reconnects
            yield "wirefast_broker_lag_seconds", (), broker.lag


def busiest_rooms(number: int) -> list[dict[str, Any]]:
    """Return the rooms with the most members: names and numbers of members.

    Args:
        number: the most rooms.
    """
    found = [(len(room.members), name) for hub in list(_hubs) for name, room in list(hub._rooms.items())]
    found.sort(key=lambda one: (-one[0], one[1]))
    return [{"room": name, "members": members} for members, name in found[:number]]
