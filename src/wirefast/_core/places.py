"""The place of a function of the application, as text for warnings, log lines and tracebacks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import TracebackType
from typing import Any

__all__ = ["describe", "for_readers", "note", "note_plain_function", "place_of", "unanswered"]

#: Packages whose frames lead to the user's code, and are the same in every traceback.
_CARRIERS = frozenset({"wirefast", "starlette", "uvicorn"})


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


def note_plain_function(exc: BaseException, returned: object, scope: Mapping[str, Any]) -> None:
    """Name an endpoint that is no coroutine function under the traceback of the ``await`` that failed for that reason.

    Args:
        exc: what ended a connection, in the frame that called the endpoint.
        returned: what the endpoint returned; None where it was not called.
        scope: of the connection.
    """
    frames = exc.__traceback__
    if frames is None or frames.tb_next is not None or hasattr(returned, "__await__") or "endpoint" not in scope:
        return
    note(
        exc, f"{describe(scope['endpoint'])} for the path {scope['path']!r} is no coroutine function: write async def."
    )


def for_readers(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return ``exc_info`` for a log, without the frames of the frameworks before the application's first one.

    Args:
        exc: stays as it is, with its whole traceback.
    """
    frames = exc.__traceback__
    while frames is not None and _package_of(frames) in _CARRIERS:
        frames = frames.tb_next
    # A failure within the frameworks has no frame of the application, and needs all of theirs.
    return type(exc), exc, frames or exc.__traceback__


def _package_of(frames: TracebackType) -> str:
    return str(frames.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
