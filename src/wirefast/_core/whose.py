"""Tell whether an exception is about the served connection or another.

A handler may use other sockets than its own, such as those of a room. That its own peer has left, or has sent what
cannot be read, is no error of the application; that another's has is one where nothing handles it.

A connection is told from others by its *mark*: the value of ``websocket.http.response`` in its scope's ``extensions``
(ASGI), an object that a server makes for each connection and that stays the same in copies of the scope.
"""

from __future__ import annotations

from typing import Any

from wirefast._core import scope as keys

__all__ = ["is_anothers", "mark_of"]

#: How many causes of an exception are looked at.
_MAX_CAUSES = 16


def mark_of(scope: Any) -> object:
    """Return the mark of a connection; None where its server, or a middleware, gives none."""
    return (scope.get("extensions") or {}).get(keys.DENIAL_RESPONSE)


def is_anothers(exc: BaseException, mark: object) -> bool:
    """Tell whether an exception was raised because of another connection than that with this mark.

    Args:
        exc: a disconnect, or an exception that blames a peer. What a program raises by itself belongs to no connection.
        mark: of the connection that is served; None where it has none, and then nothing is another's.
    """
    if mark is None:
        return False
    one: BaseException | None = exc
    for _ in range(_MAX_CAUSES):
        if one is None:
            return False
        found = getattr(one, "wirefast_connection", None)
        if found is None:
            found = _raised_by(one)
        if found is not None:
            return found is not mark
        one = one.__cause__ or one.__context__
    return False


def _raised_by(exc: BaseException) -> object:
    """Return the mark of the socket of another make, such as Starlette's, whose method has raised an exception."""
    found = None
    traceback = exc.__traceback__
    while traceback is not None:
        scope = getattr(traceback.tb_frame.f_locals.get("self"), "scope", None)
        if isinstance(scope, dict) and scope.get("type") == "websocket":
            found = mark_of(scope)
        traceback = traceback.tb_next
    return found
