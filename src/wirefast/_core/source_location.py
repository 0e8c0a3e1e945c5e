"""The place of a function of the application, as text for warnings, log lines and tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import CodeType, TracebackType
from typing import Any, TypeVar

__all__ = [
    "STANDS_FOR",
    "begin_in_application",
    "describe",
    "for_importers",
    "for_readers",
    "innermost",
    "note",
    "note_declaration",
    "note_plain_function",
    "place_of",
    "unanswered",
    "without_carriers",
]

#: The attribute of a function of ours with the function of the application that it stands for.
STANDS_FOR = "_wirefast_stands_for"
#: Wrappers around a function that are looked through: a chain of them may be a circle.
_MOST_WRAPPERS = 100
#: How the line under the traceback of a declaration error begins.
_DECLARED = "Declared "

#: What uvicorn logs for a request whose application has raised.
_FAILED = "Exception in ASGI application\n"

#: Packages whose frames lead to the user's code, and are the same in every traceback.
_CARRIERS = frozenset({"anyio", "contextlib", "starlette", "uvicorn", "wirefast"})
#: The same for the import of the application's module and the start of its lifespan.
_IMPORTERS = _CARRIERS | {"fastapi", "importlib"}

_Kind = TypeVar("_Kind")


def place_of(function: Any) -> tuple[str, int]:
    """Return file and line of a function (of the wrapped one), a class or an object's call; line 0 if unknown."""
    function = innermost(_stood_for(function))
    for found in (function, _read(function, "func", object), vars(type(function)).get("__call__")):
        code = _read(found, "__code__", CodeType)
        if code is not None:
            return code.co_filename, code.co_firstlineno
    return _read(function, "__module__", str) or "unknown", 0


def describe(function: Any) -> str:
    """Return a function as text: ``room() in main.py, line 12``."""
    file, line = place_of(function)
    function = _stood_for(function)
    name = _read(function, "__qualname__", str) or type(function).__qualname__
    return f"{name}() in {file}, line {line}"


def innermost(function: Any) -> Any:
    """Return the function that others wrap (``__wrapped__``), as far as the wrappers lead to one."""
    for _ in range(_MOST_WRAPPERS):
        inner = _read(function, "__wrapped__", object)
        if inner is None:
            break
        function = inner
    return function


def _stood_for(function: Any) -> Any:
    return _read(function, STANDS_FOR, object) or function


def _read(thing: Any, name: str, kind: type[_Kind]) -> _Kind | None:
    """Return an attribute of any object; None if there is none of this type, or if reading raises, as proxies
    do."""
    try:
        value = getattr(thing, name, None)
    except Exception:
        return None
    return value if isinstance(value, kind) else None


def unanswered(scope: Mapping[str, Any]) -> str:
    """Return a text that names the endpoint that ended without an answer, and what it should have called.

    Args:
        scope: the scope of the connection, after the end of the application.
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


def note_declaration(exc: BaseException, function: Any, path: str) -> None:
    """Name the function and the path whose declaration failed, under the traceback.

    Args:
        exc: the error of the declaration.
        function: the endpoint or handler; one of ours is not named.
        path: the path of the route.
    """
    if not _is_declared(exc):
        ours = str(getattr(function, "__module__", "")).partition(".")[0] == "wirefast"
        note(exc, f"{_DECLARED}{'' if ours else f'by {describe(function)} '}for the path {path!r}.")


def note_plain_function(exc: BaseException, returned: object, scope: Mapping[str, Any]) -> None:
    """Name an endpoint that is no coroutine function under the traceback of the ``await`` that failed for that reason.

    Args:
        exc: what ended a connection, in the frame that called the endpoint.
        returned: what the endpoint returned; None if it was not called.
        scope: the scope of the connection.
    """
    frames = exc.__traceback__
    if frames is None or frames.tb_next is not None or hasattr(returned, "__await__") or "endpoint" not in scope:
        return
    note(
        exc, f"{describe(scope['endpoint'])} for the path {scope['path']!r} is no coroutine function: write async def."
    )


def for_readers(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return ``exc_info`` for a log, without the frames of the frameworks before the application's first one.

    An exception that has only frames of the frameworks, and itself names the function of the application, gets none.

    Args:
        exc: stays as it is, with its whole traceback.
    """
    frames = exc.__traceback__
    while frames is not None and _package_of(frames) in _CARRIERS:
        frames = frames.tb_next
    if frames is None and not _names_its_place(exc):
        frames = exc.__traceback__  # a failure within the frameworks needs all of their frames
    return type(exc), exc, frames


def without_carriers(record: logging.LogRecord) -> bool:
    """Filter: begin the traceback of a failed request in the application, as that of a socket does."""
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None and record.msg == _FAILED:
        record.exc_info = for_readers(record.exc_info[1])
    return True


def begin_in_application() -> None:
    """Give uvicorn's logger `without_carriers`, before a filter that reads the traceback."""
    filters = logging.getLogger("uvicorn.error").filters
    if without_carriers not in filters:
        filters.insert(0, without_carriers)


def for_importers(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return ``exc_info`` of a failed import or start of a lifespan, without the frames above the application's.

    The frames below the application's last one stay, unless the error is one of a declaration, which names its place.

    Args:
        exc: stays as it is, with its whole traceback.
    """
    frames = exc.__traceback__
    while frames is not None and _package_of(frames) in _IMPORTERS:
        frames = frames.tb_next
    if frames is None and not isinstance(exc, SyntaxError):  # a failure within the frameworks
        frames = exc.__traceback__
    elif _is_declared(exc):
        frames = _to_last_of_application(frames)
    return type(exc), exc, frames


def _is_declared(exc: BaseException) -> bool:
    return any(str(text).startswith(_DECLARED) for text in getattr(exc, "__notes__", None) or ())


def _names_its_place(exc: BaseException) -> bool:
    """Whether the text of an exception has file and line of the application's function."""
    return _is_declared(exc) or bool(getattr(exc, "endpoint_file", None))


def _to_last_of_application(frames: TracebackType | None) -> TracebackType | None:
    """Return a copy of a traceback that ends with the last frame outside the frameworks."""
    every: list[TracebackType] = []
    while frames is not None:
        every.append(frames)
        frames = frames.tb_next
    while every and _package_of(every[-1]) in _CARRIERS:
        every.pop()
    copied: TracebackType | None = None
    for one in reversed(every):
        copied = TracebackType(copied, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return copied


def _package_of(frames: TracebackType) -> str:
    return str(frames.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
