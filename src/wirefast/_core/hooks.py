"""Whether a tool has put a function of its own in the place of one that wirefast would pass by.

Sentry, OpenTelemetry and others replace functions of Starlette, of FastAPI's modules or of one application, before or
after wirefast is imported. Where one is replaced, the way through it is taken; where none is, the short one.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router

__all__ = ["connections_are_hooked", "is_replaced"]

#: What stands around the router in every application. Who replaces a method of these wants to see each connection.
_AROUND_EVERY_CONNECTION: tuple[tuple[type[Any], str], ...] = (
    (ServerErrorMiddleware, "__call__"),
    (ExceptionMiddleware, "__call__"),
    (ExceptionMiddleware, "__init__"),
    (Router, "__call__"),
    (Router, "app"),
)


def is_replaced(owner: Any, name: str) -> bool:
    """Return whether ``name`` of a Python class or module is no longer the function that its own module defines.

    The answer does not depend on who was imported first: a function knows the module that it was written in.
    """
    module = owner.__module__ if isinstance(owner, type) else owner.__name__
    value = vars(owner).get(name)
    return type(value) is not FunctionType or value.__globals__.get("__name__") != module


def connections_are_hooked() -> bool:
    """Return whether a tool watches the middleware or the router of every application."""
    return any(is_replaced(owner, name) for owner, name in _AROUND_EVERY_CONNECTION)
