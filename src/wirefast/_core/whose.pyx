"""Tell whether an exception is about the served connection or another.

A handler may use other sockets than its own, such as those of a room. That its own peer has left, or has sent what
cannot be read, is no error of the application; that another's has is one where nothing handles it.

A connection is told from others by its *mark*: the value of ``websocket.http.response`` in its scope's ``extensions``
(ASGI), an object that a server makes for each connection and that stays the same in copies of the scope.

Compiled because each socket whose peer leaves asks for its mark.
"""

from wirefast._core.scope cimport find_in

from wirefast._core import scope as keys

cdef object DENIAL_KEY = keys.DENIAL_RESPONSE
# How many causes of an exception are looked at.
cdef enum:
    MAX_CAUSES = 16


cpdef object mark_of(object scope):
    """Return the mark of a connection; None where its server, or a middleware, gives none."""
    cdef object extensions = find_in(scope, "extensions", None)
    return find_in(extensions, DENIAL_KEY, None) if extensions else None


def is_anothers(exc, mark):
    """Tell whether an exception was raised because of another connection than that with this mark.

    Args:
        exc: a disconnect, or an exception that blames a peer. What a program raises by itself belongs to no connection.
        mark: of the connection that is served; None where it has none, and then nothing is another's.
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
    """Return the mark of the socket of another make, such as Starlette's, whose method has raised an exception."""
    cdef object found = None, scope
    traceback = exc.__traceback__
    while traceback is not None:
        scope = getattr(traceback.tb_frame.f_locals.get("self"), "scope", None)
        if isinstance(scope, dict) and scope.get("type") == "websocket":
            found = mark_of(scope)
        traceback = traceback.tb_next
    return found
