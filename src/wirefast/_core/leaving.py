"""What an application tells its sockets before the server drains them.

A server knows channels, an application knows hooks. The application notes a call for each channel here; the server
makes the call when it drains the channel's socket. A call is forgotten with its channel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["farewells", "note_farewell"]

#: The call for each channel that an application has noted.
farewells: WeakKeyDictionary[Any, Callable[[], Awaitable[None]]] = WeakKeyDictionary()


def note_farewell(channel: Any, farewell: Callable[[], Awaitable[None]]) -> bool:
    """Note what the server calls before it drains a socket; return whether the channel can be noted."""
    try:
        farewells[channel] = farewell
    except TypeError:  # no weak reference to it: the channel of a test
        return False
    return True
