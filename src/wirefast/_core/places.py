"""The place of a function of the application, as text for warnings, log lines and tracebacks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

__all__ = ["describe", "note", "place_of", "unanswered"]


def place_of(function: Any) -> tuple[str, int]:
    """Return file and line of a function (of the wrapped one), a class or an object's call; line 0 where unknown."""
    function = inspect.unwrap(function) if callable(function) else function
    for found in (function, getattr(function, "func", None), vars(type(function)).get("__call__")):
        code = getattr(found, "__code__", None)
        if code is not None:
            return code.co_filename, code.co_firstlineno
    return getattr(function, "__module__", None) or "unknown", 0


def describe(function: Any) -> str:
    """Return a function as text: ``room() in main.py, line 12``."""
    file, line = place_of(function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{name}() in {file}, line {line}"


def unanswered(scope: Mapping[str, Any]) -> str:
    """Return a text that names the endpoint that ended without an answer, and what it should have called.

    Args:
        scope: of the connection, after the end of the application.
    """
    endpoint = scope.get("endpoint")
    who = "The application" if endpoint is None else describe(endpoint)
    return f"{who} ended for the path {scope['path']!r} without accept(), close() or an exception"


def note(exc: BaseException, text: str) -> BaseException:
    """Add a line under the traceback of an exception, whose own text stays FastAPI's (PEP 678; nothing on 3.10).

    Args:
        exc: the exception, before it is raised.
        text: what to do.
    """
    if hasattr(exc, "add_note"):
        exc.add_note(text)
    return exc
