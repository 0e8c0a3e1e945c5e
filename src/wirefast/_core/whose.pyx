"""Tell whether an exception is about the served connection or about another.

A handler may use other sockets than its own, such as those of a room. An exception because the handler's own peer has
left, or has sent something that cannot be read, is no error of the application. An unhandled exception about another
socket is one.

The *mark* identifies a connection: the value of ``websocket.http.response`` in the ``extensions`` of its scope (ASGI),
    an object that a server makes for each connection and that stays the same in copies of the scope.

Compiled because it runs at the end of each socket whose peer leaves.
"""

from wirefast._core.scope cimport find_in

from wirefast._core import scope as keys

cdef object DENIAL_KEY = keys.DENIAL_RESPONSE
# How many causes of an exception are checked.
cdef enum:
    MAX_CAUSES = 16


cpdef object mark_of(object scope):
    """Return the mark of a connection; None if the server or a middleware gives none."""
    cdef object extensions = find_in(scope, "extensions", None)
    return find_in(extensions, DENIAL_KEY, None) if extensions else None


def is_anothers(exc, mark):
    """Return whether an exception is about another connection than the one with this mark.

    Args:
        exc: a disconnect, or an exception that blames a peer. An exception that a program raises itself is about no
            connection.
        mark: the mark of the served connection; None without one, and then the result is False.
    """
    if mark is None:
        return False
    cdef object one = exc, found
    for _ in range(MAX_CAUSES):
        if one is None:
            return False
        found = getattr(one, "wirefast_connection", None)
        if found is None:
            found = raised_by(one)
        if found is not None:
            return found is not mark
        one = one.__cause__ or one.__context__
    return False


cdef object raised_by(object exc):
    """Return the mark of the socket, of another class such as Starlette's, whose method has raised an exception."""
    cdef object found = None, scope
    traceback = exc.__traceback__
    while traceback is not None:
        scope = getattr(traceback.tb_frame.f_locals.get("self"), "scope", None)
        if isinstance(scope, dict) and scope.get("type") == "websocket":
            found = mark_of(scope)
        traceback = traceback.tb_next
    return found
