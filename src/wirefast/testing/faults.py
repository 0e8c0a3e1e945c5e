"""Faults of a peer's connection that a test causes: slow, stalled, half-closed, reset, mute.

wirefast only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wirefast.testing.lines import Line
    from wirefast.testing.running import Live

__all__ = ["Faults"]


class Faults:
    """The part of a `Peer` that causes faults."""

    name: str
    _live: Live
    _line: Line

    def stall(self) -> None:
        """Read nothing from now on, as if the network were full. The server's transport tells it to pause writing."""
        self._line.stall()
        self._note("stalls")

    def slow(self, bytes_per_second: float) -> None:
        """Read ``bytes_per_second``, in seconds of the clock. ValueError: the number is not above 0."""
        if not bytes_per_second > 0:
            raise ValueError(f"slow takes bytes in a second, more than 0, not {bytes_per_second!r}")
        self._line.slow(bytes_per_second)
        self._note(f"reads {bytes_per_second:g} bytes/s")

    def resume(self) -> None:
        """Read again, at full speed."""
        self._line.release()
        self._note("reads on")

    def mute(self) -> None:
        """Answer no ping from now on."""
        self._line.answers_pings = False
        self._note("mutes")

    def unmute(self) -> None:
        """Answer pings again."""
        self._line.answers_pings = True

    def half_close(self) -> None:
        """End the peer's side of the TCP stream, and go on reading."""
        self._line.half_close()
        self._note("half-closes")

    def reset(self) -> None:
        """Break the connection, as a reset does."""
        self._line.reset()
        self._note("resets")

    def _note(self, text: str) -> None:
        self._live.note(self.name, "!", text)
