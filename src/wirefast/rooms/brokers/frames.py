"""The frames between workers and their relay, over a Unix socket.

A frame is the length of the rest (4 bytes), a kind (1 byte), and a body. The body of a message is the length of the
room's name (2 bytes), the name in UTF-8, and the payload. The relay passes the same bytes on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["ADD", "DONE", "DROP", "FRAME_MAX", "MESSAGE", "SYNC", "FrameError", "Splitter", "frame", "message"]

#: The kinds: rooms to add and to remove (names, each with its length), a message, a question and its answer.
ADD, DROP, MESSAGE, SYNC, DONE = range(1, 6)
#: Bytes of one frame, kind and body.
FRAME_MAX = 33554432

_HEAD = struct.Struct("<IB")
_ROOM = struct.Struct("<IBH")
_NAME = struct.Struct("<H")
HEAD_SIZE = _HEAD.size


class FrameError(ValueError):
    """The received bytes are no frame: the other side is no worker or relay of wirefast."""


def frame(kind: int, names: list[bytes] | None = None) -> bytes:
    """Return a frame with the names of rooms, or without a body."""
    body = b"".join(_NAME.pack(len(name)) + name for name in names or ())
    return _HEAD.pack(len(body) + 1, kind) + body


def message(room: bytes, payload: bytes) -> bytes:
    """Return the frame of a message. The caller checks that it is no longer than ``FRAME_MAX``."""
    return _ROOM.pack(3 + len(room) + len(payload), MESSAGE, len(room)) + room + payload


def names_of(body: bytes) -> Iterator[bytes]:
    """Yield the names of rooms in a body."""
    at = 0
    while at < len(body):
        if at + 2 > len(body):
            raise FrameError("a room without a name")
        size = body[at] | body[at + 1] << 8
        at += 2
        if at + size > len(body):
            raise FrameError("a room's name that is cut")
        yield body[at : at + size]
        at += size


def split_message(whole: bytes) -> tuple[bytes, int]:
    """Return the room of a message's frame, and the position of its payload."""
    if len(whole) < 7:
        raise FrameError("a message without a room")
    end = 7 + (whole[5] | whole[6] << 8)
    if end > len(whole):
        raise FrameError("a message's room that is cut")
    return whole[7:end], end


class Splitter:
    """Cuts a stream into frames; the reads may be of any size. Holds at most one frame and one read."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each complete frame, head included.

        Raises:
            FrameError: a frame is empty or too long, by its head.
        """
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        # The caller may stop between two frames; the rest must stay.
        self._rest = data
        while end - at >= HEAD_SIZE:
            size = data[at] | data[at + 1] << 8 | data[at + 2] << 16 | data[at + 3] << 24
            if not 0 < size <= FRAME_MAX:
                raise FrameError(f"a frame of {size} bytes")
            following = at + 4 + size
            if following > end:
                break
            whole = data[at:following]
            at = following
            yield whole
        self._rest = data[at:]
