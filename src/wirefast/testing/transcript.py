"""The events of a wire in order, for people to read and for snapshots to compare. wirefast only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wirefast.testing.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

__all__ = ["Event", "Transcript", "shown"]

#: The most characters of an event in a failure's text. A cut event ends with its size. A snapshot has all characters.
SHORT = 300
#: The close reason of a draining server, with another number for each client.
RETRY = re.compile(r"(close 1012 retry=)\d+")
NAMES = {CONTINUATION: "continuation", BINARY: "binary", PING: "ping", PONG: "pong"}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a peer or the server did.

    Attributes:
        at: seconds since the server's start, by the loop's clock.
        peer: the name of the peer.
        sign: ``>`` from the peer, ``<`` from the server, ``!`` for a fault that the test caused.
        text: the rest of the line.
        quiet: whether the event comes from keepalive. Its time differs from run to run, so snapshots leave it out.
    """

    at: float
    peer: str
    sign: str
    text: str
    quiet: bool = False


class Transcript:
    """The events of one peer, or of all peers of a server.

    ``str()`` has a line for each event, without times, keepalive and anything else that differs from run to run. So two
    runs compare equal. Iterating gives the `Event` objects.

    Args:
        events: the first events.
        named: whether each line has the name of its peer.
    """

    def __init__(self, events: list[Event] | None = None, *, named: bool = False) -> None:
        self._events: list[Event] = [] if events is None else events
        self._named = named

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def __str__(self) -> str:
        text = "".join(f"{self._name(event)}{event.sign} {event.text}\n" for event in self._events if not event.quiet)
        return RETRY.sub(r"\1N", text)

    def __repr__(self) -> str:
        return f"<Transcript of {len(self._events)} events>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (str, Transcript)):
            return str(self) == str(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _name(self, event: Event) -> str:
        return f"{event.peer} " if self._named else ""

    def add(self, event: Event) -> None:
        """Note an event."""
        self._events.append(event)

    def clear(self) -> None:
        """Forget all events."""
        self._events.clear()

    def of(self, peer: str) -> Transcript:
        """Return the events of one peer."""
        return Transcript([event for event in self._events if event.peer == peer])

    def told(self) -> str:
        """Return the text for a failure: all events with times, long messages cut, only the last event of keepalive."""
        lines = []
        last = {event.peer: event for event in self._events if event.quiet and event.sign == "<"}
        for event in self._events:
            if event.quiet and event.at < last.get(event.peer, event).at:
                continue
            text = event.text
            if len(text) > SHORT:
                text = f"{text[:SHORT]}… ({len(text)} characters)"
            lines.append(f"{event.at:9.3f} {self._name(event)}{event.sign} {text}\n")
        return "".join(lines)

    def compare(self, path: str | Path, *, update: bool = False) -> None:
        """Compare with a file.

        Args:
            path: the path of the snapshot, a file in UTF-8.
            update: write the file instead of comparing. Without this, a missing file is an error.

        Raises:
            AssertionError: the transcript differs from the snapshot, and the text has the lines; or there is no file.
        """
        path = Path(path)
        text = str(self)
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            raise AssertionError(f"there is no snapshot {path}; write it by compare(..., update=True):\n{text}")
        wanted = path.read_text(encoding="utf-8")
        if text != wanted:
            difference = difflib.unified_diff(
                wanted.splitlines(keepends=True), text.splitlines(keepends=True), str(path), "this run"
            )
            raise AssertionError("the transcript is not the snapshot's:\n" + "".join(difference))


def shown(opcode: int, data: bytes, fin: bool = True) -> str:
    """Return a frame in words, for the rest of a line."""
    more = "" if fin else " …"
    if opcode == CLOSE:
        if not data:
            return "close"
        reason = data[2:].decode("utf-8", "replace")
        return f"close {int.from_bytes(data[:2], 'big')} {reason}".rstrip()
    if opcode == TEXT:
        return data.decode("utf-8", "replace").replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") + more
    name = NAMES.get(opcode, f"opcode {opcode}")
    return f"{name} {data.hex()}".rstrip() + more
