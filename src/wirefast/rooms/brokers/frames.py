"""What workers and their relay say to each other over a Unix socket.

A frame is the length of what follows (4 bytes), a kind (1 byte), and a body. A message's body is the length of its
room's name (2 bytes), the name in UTF-8, and the payload; the relay passes it on as it came, so that it builds nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["ADD", "DONE", "DROP", "FRAME_MAX", "MESSAGE", "SYNC", "FrameError", "Splitter", "frame", "message"]

#: Kinds: rooms to add and to drop (names, each with its length), a message, a question and its answer.
ADD, DROP, MESSAGE, SYNC, DONE = range(1, 6)
#: Bytes of one frame, kind and body.
FRAME_MAX = 33554432

_HEAD = struct.Struct("<IB")
_ROOM = struct.Struct("<IBH")
_NAME = struct.Struct("<H")
HEAD_SIZE = _HEAD.size


class FrameError(ValueError):
    """What came is no frame: the other side is none of ours."""


def frame(kind: int, names: list[bytes] | None = None) -> bytes:
    """Return a frame, with room names or without a body."""
    body = b"".join(_NAME.pack(len(name)) + name for name in names or ())
    return _HEAD.pack(len(body) + 1, kind) + body


def message(room: bytes, payload: bytes) -> bytes:
    """Return the frame of a message; it may be longer than ``FRAME_MAX``, which the caller checks."""
    return _ROOM.pack(3 + len(room) + len(payload), MESSAGE, len(room)) + room + payload


def names_of(body: bytes) -> Iterator[bytes]:
    """Give the room names of a body."""
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
    """Return the room of a message's frame, and where its payload begins."""
    if len(whole) < 7:
        raise FrameError("a message without a room")
    end = 7 + (whole[5] | whole[6] << 8)
    if end > len(whole):
        raise FrameError("a message's room that is cut")
    return whole[7:end], end


class Splitter:
    """Cut what arrives into frames, in any division; at most one frame and one read are held."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give each frame that is whole, head included.

        Raises:
            FrameError: one that is empty or too long is announced.
        """
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        # What is taken must not be lost where the caller stops between two frames.
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
