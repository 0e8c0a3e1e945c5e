"""Rooms: what is published to a name reaches every socket that joined it."""
