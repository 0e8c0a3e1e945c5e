"""The limits that an operator sets on the command line, beside those of the application. wirefast only."""

from __future__ import annotations

import json
import os
from typing import Any

from wirefast.limits.limits import Limits
from wirefast.limits.rates import Rate

__all__ = ["VARIABLE", "limits_from", "operators_limits"]

#: The environment variable in which ``wirefast run`` passes them, as JSON, to its workers and the reloader's child.
VARIABLE = "WIREFAST_LIMITS"

_RATES = ("handshakes", "messages", "bytes")


def limits_from(settings: dict[str, Any]) -> Limits:
    """Make Limits of the numbers of a command line.

    Args:
        settings: numbers by the names of `Limits`; a rate is so many a second.

    Raises:
        TypeError, ValueError: an invalid number; see `Limits`.
    """
    made: dict[str, Any] = {name: Rate(value) if name in _RATES else value for name, value in settings.items()}
    return Limits(**made)


def operators_limits() -> Limits | None:
    """Return the limits that the operator of this process has set, or None."""
    found = os.environ.get(VARIABLE)
    return limits_from(json.loads(found)) if found else None
