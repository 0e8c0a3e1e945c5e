# The check of a handshake between the match of its path and its route.

cimport cython


@cython.final
cdef class Gate:
    """Decides about the handshakes of some routes; made when the routes are frozen."""
    # With judge(scope, origins) -> bool or awaitable, refused(scope, origins), is_explicit.
    cdef readonly object policy
    cdef object spelled          # the listed origins as browsers write them, a set of bytes
    cdef bint explicit           # the application has set origins: they count for every handshake that has an Origin
    # callable(app) -> the ASGI application with the limits of the route; None: no limits.
    cdef object limited
    cdef object last             # the last argument of `limited`, and its result
    cdef object last_limited
    cdef bint hands_on           # a wirefast application is mounted here, which decides by itself

    # The ASGI callable that serves: `app`, or one that refuses.
    cdef object enter(self, object scope, object app)
    cdef object with_limits(self, object app)
