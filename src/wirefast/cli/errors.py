"""The mistakes of a user: one line of text, and the exit code."""

from __future__ import annotations

import sys

#: Exit codes: this machine refused, the command line is wrong, the application did not start (uvicorn's code).
REFUSED, USAGE, NOT_STARTED = 1, 2, 3


class CommandError(Exception):
    """A mistake of the user, in one line.

    Args:
        message: names the wrong thing and says what to do.
        code: exit code, ``USAGE`` by default.
    """

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def flag(name: str) -> str:
    """Return the option of a setting."""
    return f"--{name.replace('_', '-')}"


def complain(message: str, code: int) -> int:
    """Write the one line of an error to stderr; return the exit code."""
    print(f"wirefast: error: {' '.join(message.split())}", file=sys.stderr)
    return code
