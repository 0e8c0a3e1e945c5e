"""Unwrap a group whose exceptions are all of one expected kind.

A task group raises a group even if one of its tasks only saw that the client left, or refused the client.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

# Python 3.10 has no exception groups; anyio installs the backport there.
if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

__all__ = ["caused_by_client", "only_cause"]


def caused_by_client(exc: BaseException) -> bool:
    """Whether ``exc`` is a disconnect, or is marked as caused by what the peer sent (`blame_peer`)."""
    return isinstance(exc, WebSocketDisconnect | ClientDisconnect) or hasattr(exc, "wirefast_close")


def only_cause(exc: Any, is_expected: Callable[[BaseException], bool] = caused_by_client) -> Any:
    """Return the exception in the place of a group of one kind; ``exc`` itself in every other case.

    Disconnects beside another kind are ignored: the other kind says more.

    Args:
        exc: an exception, or None.
        is_expected: whether an exception that is no group has a handler, so that it is no error of the application.

    Returns:
        The first leaf, when all leaves are expected and those that are no disconnect have one class.
    """
    if not isinstance(exc, ExceptionGroup):
        return exc
    leaves = []
    waiting: list[BaseException] = [exc]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ExceptionGroup):
            waiting.extend(reversed(one.exceptions))
        elif is_expected(one):
            leaves.append(one)
        else:
            return exc
    answered = [leaf for leaf in leaves if not isinstance(leaf, WebSocketDisconnect | ClientDisconnect)]
    if len({type(leaf) for leaf in answered}) > 1:
        return exc
    return (answered or leaves)[0]
