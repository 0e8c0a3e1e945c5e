"""Recognise markers: wirefast's own, and FastAPI's when FastAPI is loaded.

A team moves one router at a time, so signatures may hold ``fastapi.Depends`` or ``fastapi.Query``.
FastAPI is never imported here: an object of one of its classes exists only if FastAPI is imported already.
"""

from __future__ import annotations

import sys
from typing import Any

from wirefast import params
from wirefast.security.base import SecurityBase
from wirefast.security.scopes import SecurityScopes


def is_marker(value: Any, *names: str) -> bool:
    """Whether ``value`` is an instance of one of these classes of ``params``, by name (``"Query"``)."""
    if isinstance(value, tuple(getattr(params, name) for name in names)):
        return True
    theirs = sys.modules.get("fastapi.params")
    return theirs is not None and isinstance(value, tuple(getattr(theirs, name) for name in names))


def is_security_scheme(call: Any) -> bool:
    theirs = sys.modules.get("fastapi.security.base")
    return isinstance(call, SecurityBase) or (theirs is not None and isinstance(call, theirs.SecurityBase))


def security_scopes_classes() -> tuple[type[Any], ...]:
    theirs = sys.modules.get("fastapi.security.oauth2")
    return (SecurityScopes,) if theirs is None else (SecurityScopes, theirs.SecurityScopes)
