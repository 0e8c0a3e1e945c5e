"""The application of a test: an object, a factory, or ``module:name`` of either. wirefast only."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from typing import Any

__all__ = ["load"]


async def load(given: Any) -> Any:
    """Return the ASGI application that a test names.

    Args:
        given: an application; a function without parameters that returns one, which may be a coroutine function, or a
            class of that kind; or ``"module:name"`` of either.

    Raises:
        ValueError: the text has another form.
        ModuleNotFoundError, AttributeError: there is no such module, or no such name in it.
        TypeError: the named object is no application.
    """
    app = _imported(given) if isinstance(given, str) else given
    if _is_factory(app):
        app = app()
        if inspect.isawaitable(app):
            app = await app
    if not callable(app):
        raise TypeError(f"{app!r} is no ASGI application, and no function that returns one")
    return app


def _imported(text: str) -> Any:
    module, colon, path = text.partition(":")
    if not colon or not module or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(f"{text!r} names no application; write module:app")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as exc:
        here = os.getcwd()
        if exc.name != module.partition(".")[0] or here in sys.path or "" in sys.path:
            raise
        sys.path.insert(0, here)
        importlib.invalidate_caches()
        found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _is_factory(app: Any) -> bool:
    """Whether a callable takes no arguments. An ASGI application takes three."""
    if not callable(app) or not (inspect.isroutine(app) or isinstance(app, type)):
        return False
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [
        item
        for item in parameters
        if item.default is item.empty and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    ]
    return not needed
