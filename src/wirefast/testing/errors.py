"""The errors of tests: a refusal, an end, or no message in time. wirefast only."""

from __future__ import annotations

from typing import Any

import orjson

from wirefast.testing.frames import Response

__all__ = ["ConnectionLost", "Leaked", "NotExpected", "NotOnTheWire", "Refused", "StartFailed", "TimedOut"]


class Refused(Exception):
    """A handshake that was answered with something else than 101.

    ``str()`` begins with the status, so that ``pytest.raises(Refused, match="401")`` works.

    Attributes:
        status: of the HTTP response.
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
        """Return the first header of a name; None where there is none."""
        return self.response.header(name)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON."""
        return orjson.loads(self.body)


class NotExpected(AssertionError):
    """Something else came than was expected. The text has the transcripts of all peers."""


class TimedOut(NotExpected):
    """What was expected has not come in time."""


class ConnectionLost(ConnectionError):
    """The connection ended before the handshake was answered, or where a peer wanted to send."""


class NotOnTheWire(RuntimeError):
    """Something that needs a wire, in ``mode="asgi"``, which has none."""


class Leaked(AssertionError):
    """A test left something behind. The text names each thing."""

    def __init__(self, left: list[str]) -> None:
        super().__init__(left)
        self.left = left

    def __str__(self) -> str:
        return "the test left behind:\n" + "".join(f"  - {item}\n" for item in self.left)


class StartFailed(RuntimeError):
    """The application's lifespan did not start; the text is what the application said."""
