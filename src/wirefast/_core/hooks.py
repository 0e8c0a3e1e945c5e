"""Whether a tool has replaced a function that wirefast would not call.

Sentry, OpenTelemetry and others replace functions of Starlette, of FastAPI's modules or of one application, before or
after wirefast is imported. If a function is replaced, wirefast calls it; if none is, wirefast takes the short
way.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router

__all__ = ["connections_are_hooked", "is_replaced"]

#: The layers around the router in every application. A tool that replaces one of these methods wants to see each
#: connection.
_AROUND_EVERY_CONNECTION: tuple[tuple[type[Any], str], ...] = (
    (ServerErrorMiddleware, "__call__"),
    (ExceptionMiddleware, "__call__"),
    (ExceptionMiddleware, "__init__"),
    (Router, "__call__"),
    (Router, "app"),
)


def is_replaced(owner: Any, name: str) -> bool:
    """Return whether ``name`` of a Python class or module is no longer the function that its own module defines.

    The answer does not depend on the order of imports: a function knows the module that defines it.
    """
    module = owner.__module__ if isinstance(owner, type) else owner.__name__
    value = vars(owner).get(name)
    return type(value) is not FunctionType or value.__globals__.get("__name__") != module


def connections_are_hooked() -> bool:
    """Return whether a tool watches the middleware or the router of every application."""
    return any(is_replaced(owner, name) for owner, name in _AROUND_EVERY_CONNECTION)
