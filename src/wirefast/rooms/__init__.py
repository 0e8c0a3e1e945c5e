"""Rooms: what is published to a name reaches every socket that joined it."""

from wirefast._core.outbox import Policy as Policy
