"""How the server refuses a request: a status, words for the client, and header lines."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """A request that gets an error as its answer. The connection ends after the answer.

    Args:
        status: the status of the HTTP response.
        reason: the response's body, plain text.
        lines: header lines of the response, each with its line end.
    """

    def __init__(self, status: int, reason: str, *lines: bytes) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.lines = list(lines)
