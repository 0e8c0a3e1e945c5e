"""What a user can get wrong: one line, and the exit code that goes with it."""

from __future__ import annotations

import sys

#: Exit codes: this machine refused, the command line is wrong, the application did not start (uvicorn's code).
REFUSED, USAGE, NOT_STARTED = 1, 2, 3


class CommandError(Exception):
    """What went wrong, in one line for the user.

    Args:
        message: names the thing that is wrong and what to do about it.
        code: exit code, ``USAGE`` by default.
    """

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def flag(name: str) -> str:
    """Return a setting as the command line spells it."""
    return f"--{name.replace('_', '-')}"


def complain(message: str, code: int) -> int:
    """Write the one line of an error to stderr; return the exit code."""
    print(f"wirefast: error: {' '.join(message.split())}", file=sys.stderr)
    return code
