from wirefast._core.gate cimport Gate
from wirefast._core.matcher cimport Matcher


cdef class Entry:
    """A route whose path the Matcher knows."""
    cdef Py_ssize_t order        # place among all routes, opaque ones included
    cdef object route
    cdef object endpoint
    cdef object methods          # set of str; None: any (and for WebSockets)
    cdef bint names_route        # scope["route"] is set to it
    cdef Gate gate               # the gate of WebSocket handshakes; None: without one
    cdef bint runs_app           # a WebSocket route with Starlette's handle(), which need not be called


cdef class Opaque:
    """A route whose ``matches`` must be called: Mount, Host, any other BaseRoute."""
    cdef Py_ssize_t order
    cdef object route
    cdef Gate gate


cdef class RouteTable:
    """The frozen routes of one router for one protocol. Finds the first route, in declaration order, that matches a
    scope."""
    cdef Matcher matcher
    cdef list entries            # parallel to the matcher's patterns
    cdef list opaque

    cdef object enter(self, Entry entry, dict params, object scope)
    cdef object ask(self, object scope, Py_ssize_t* position, Py_ssize_t before)
