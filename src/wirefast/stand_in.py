"""Have ``isinstance`` take our classes for FastAPI's classes of the same names, if FastAPI is loaded.

Packages that look for FastAPI's routes, routers and applications import its classes by name and ask ``isinstance``.
The ``__class__`` of an object of ours is then FastAPI's class; ``type()`` gives the real class. An object of a class
that a program derived from ours keeps that class: the methods of the program may read names from it.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["stands_in_for"]


def stands_in_for(module: str, name: str) -> Any:
    """Make the property ``__class__`` of one of our classes.

    Args:
        module: of FastAPI's class; it is never imported for this.
        name: of FastAPI's class.
    """

    def asked_class(self: Any) -> type[Any]:
        kind = type(self)
        theirs = getattr(sys.modules.get(module), name, None)
        is_ours = kind.__module__.startswith("wirefast.")
        return theirs if is_ours and isinstance(theirs, type) else kind

    return property(asked_class)
