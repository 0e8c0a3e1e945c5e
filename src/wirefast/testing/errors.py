"""The errors of tests: a refusal, an end, or no message in time. wirefast only."""

from __future__ import annotations

from typing import Any

import orjson

from wirefast.testing.frames import Response

__all__ = ["ConnectionLost", "Leaked", "NotExpected", "NotOnTheWire", "Refused", "StartFailed", "TimedOut"]


class Refused(Exception):
    """A handshake whose answer is not 101.

    ``str()`` begins with the status, so that ``pytest.raises(Refused, match="401")`` works.

    Attributes:
        status: the status of the HTTP response.
        headers: pairs in their order, names in small letters.
        body: bytes.
    """

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.body
        self.response = response
        super().__init__(response.status, response.body)

    def __str__(self) -> str:
        return f"{self.status} {self.response.phrase}: {self.text[:500]}".rstrip(": ")

    def header(self, name: str) -> str | None:
        """Return the first header of a name; None if there is none."""
        return self.response.header(name)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON."""
        return orjson.loads(self.body)


class NotExpected(AssertionError):
    """A peer got something else than the test expects. The text has the transcripts of all peers."""


class TimedOut(NotExpected):
    """A peer has not got in time what the test expects."""


class ConnectionLost(ConnectionError):
    """The connection ended before the answer to the handshake, or before a peer could send."""


class NotOnTheWire(RuntimeError):
    """The test uses something that needs a wire, and ``mode="asgi"`` has no wire."""


class Leaked(AssertionError):
    """A test left something behind. The text names each thing."""

    def __init__(self, left: list[str]) -> None:
        super().__init__(left)
        self.left = left

    def __str__(self) -> str:
        return "the test left behind:\n" + "".join(f"  - {item}\n" for item in self.left)


class StartFailed(RuntimeError):
    """The application's lifespan did not start. The text is the application's message."""
