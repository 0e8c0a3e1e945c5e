# What a handshake passes between the match of its path and its route.

cimport cython


@cython.final
cdef class Gate:
    """The decision about handshakes of some routes, made for them when the routes are frozen."""
    # With judge(scope, origins) -> bool or awaitable, refused(scope, origins), is_explicit.
    cdef readonly object policy
    cdef object spelled          # the listed origins as browsers write them, a set of bytes
    cdef bint explicit           # the application has set origins: they count for every handshake that has an Origin
    # callable(app) -> the ASGI application that keeps to the limits of the route; None: there are none.
    cdef object limited
    cdef object last             # the application that `limited` was called with last, and what it gave
    cdef object last_limited
    cdef bint hands_on           # an application of ours is mounted here, which decides by itself

    # The ASGI callable that serves: `app`, or one that refuses.
    cdef object enter(self, object scope, object app)
    cdef object with_limits(self, object app)
