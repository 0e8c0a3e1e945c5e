"""Choose the route of a connection by Starlette's rule, the first declared that matches. The cost is the same for any
number of routes."""

cimport cython
from cpython.object cimport PyObject_GenericGetAttr
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE

from wirefast._core.gate cimport Gate
from wirefast._core.matcher cimport Matcher
from wirefast._core.pace cimport paced
from wirefast._core.scope cimport find_in

from starlette.routing import Match, WebSocketRoute

from wirefast._core import scope as keys
from wirefast._core.not_allowed import MethodNotAllowed
from wirefast._core.hooks import is_replaced

cdef object SHARED_KEY = keys.SHARED
cdef object FULL = Match.FULL
cdef object NONE = Match.NONE
# The module that defines the ``handle`` of a route, unless a class of the user overrides it.
cdef tuple PLAIN = ("starlette.routing", "wirefast.routes.http")
# Starlette's ``WebSocketRoute.handle``, which only calls the app. None if a tool has replaced it.
cdef object HANDLE = None if is_replaced(WebSocketRoute, "handle") else WebSocketRoute.handle


cdef str route_path(object scope):
    """Return the path below root_path, as Starlette's get_route_path."""
    cdef str path = scope["path"]
    cdef str root = find_in(scope, "root_path", "")
    cdef Py_ssize_t length
    if not root or not path.startswith(root):
        return path
    length = len(root)
    if len(path) == length:
        return ""
    return path[length:] if path[length] == "/" else path


@cython.final
cdef class Entry:
    def __init__(self, Py_ssize_t order, route, methods, bint names_route, Gate gate=None):
        self.order = order
        self.gate = gate
        self.route = route
        self.endpoint = route.endpoint
        self.methods = methods
        self.names_route = names_route
        self.runs_app = methods is None and type(route).handle is HANDLE


@cython.final
cdef class Opaque:
    def __init__(self, Py_ssize_t order, route, Gate gate=None):
        self.order = order
        self.route = route
        self.gate = gate


cdef int update(object scope, object child_scope) except -1:
    """Add the child scope of a route's ``matches``; the dict that FastAPI and wirefast keep under "fastapi" is
    merged."""
    cdef object shared = child_scope.get(SHARED_KEY)
    if isinstance(shared, dict) and SHARED_KEY in scope:
        child_scope = {**child_scope, SHARED_KEY: {**scope[SHARED_KEY], **shared}}
    scope.update(child_scope)
    return 0


def update_scope(scope, child_scope):
    """Add the child scope of a route's ``matches`` to a scope; see update()."""
    update(scope, child_scope)


cdef bint refuses_plainly(Entry entry) except -1:
    """Whether the route answers 405 to a method that it does not have."""
    return getattr(type(entry.route).handle, "__module__", None) in PLAIN


@cython.final
cdef class RouteTable:
    def __init__(self, list entries, list opaque):
        cdef Entry entry
        self.entries = entries
        self.opaque = opaque
        self.matcher = Matcher([
            (entry.route.path, entry.route.param_convertors, entry.route.path_regex) for entry in entries
        ])

    cdef object enter(self, Entry entry, dict params, object scope):
        """Note the match in the scope. Returns what to call with (scope, receive, send)."""
        cdef object outer = find_in(scope, "path_params", None)
        if outer:
            params = {**outer, **params}
        scope["path_params"] = params
        scope["endpoint"] = entry.endpoint
        if entry.names_route:
            scope["route"] = entry.route
        if entry.runs_app:
            # Read ``app`` from the copy itself; its class forwards other names to the declared route.
            return PyObject_GenericGetAttr(entry.route, "app")
        # An operation of wirefast's lets the loop turn by itself.
        return entry.route.handle if entry.names_route or entry.methods is None else paced(entry.route.handle)

    cdef object ask(self, object scope, Py_ssize_t* position, Py_ssize_t before):
        """Ask the opaque routes declared before `before`, from position[0] on: (match, child scope, route) or None."""
        cdef Opaque opaque
        while position[0] < PyList_GET_SIZE(self.opaque):
            opaque = <Opaque> PyList_GET_ITEM(self.opaque, position[0])
            if opaque.order > before:
                return None
            position[0] += 1
            match, child_scope = opaque.route.matches(scope)
            if match is not NONE:
                return match, child_scope, opaque
        return None

    def select_websocket(self, scope):
        """Return the ASGI callable of the first route for a WebSocket scope, and update the scope; None for none."""
        cdef Py_ssize_t index = -1, position = 0, before
        cdef dict params = self.matcher.find(route_path(scope), 0, &index)
        cdef Entry entry = None
        cdef Opaque opaque
        cdef object asked, app
        if index >= 0:
            entry = <Entry> self.entries[index]
        before = entry.order if entry is not None else cython.cast(Py_ssize_t, 0x7fffffffffffffff)
        while True:
            asked = self.ask(scope, &position, before) if self.opaque else None
            if asked is None:
                break
            if asked[0] is FULL:
                update(scope, asked[1])
                opaque = <Opaque> asked[2]
                return opaque.route.handle if opaque.gate is None else opaque.gate.enter(scope, opaque.route.handle)
        if entry is None:
            return None
        app = self.enter(entry, params, scope)
        return app if entry.gate is None else entry.gate.enter(scope, app)

    def select_http(self, scope):
        """As select_websocket; if no route matches, take the first that matches all but the method.

        An endless response of another framework's route is made to let the loop turn.
        """
        cdef Py_ssize_t index = -1, position = 0, before
        cdef str path = route_path(scope)
        cdef str method = scope["method"]
        cdef dict params, partial_params = None
        cdef list others = None
        cdef Entry entry, partial = None
        cdef object asked, partial_asked = None
        while True:
            params = self.matcher.find(path, index + 1, &index)
            entry = <Entry> self.entries[index] if index >= 0 else None
            before = entry.order if entry is not None else cython.cast(Py_ssize_t, 0x7fffffffffffffff)
            while True:
                asked = self.ask(scope, &position, before) if self.opaque else None
                if asked is None:
                    break
                if asked[0] is FULL:
                    update(scope, asked[1])
                    return paced((<Opaque> asked[2]).route.handle)
                if partial is None and partial_asked is None:
                    partial_asked = asked
            if entry is None:
                break
            if not entry.methods or method in entry.methods:
                return self.enter(entry, params, scope)
            if partial is not None:
                others = [] if others is None else others
                others.append(entry)
            elif partial_asked is None:
                partial, partial_params = entry, params
        if partial is not None:
            asked = self.enter(partial, partial_params, scope)
            if others is not None and refuses_plainly(partial):
                return MethodNotAllowed([
                    method for entry in [partial, *others] if refuses_plainly(entry) for method in sorted(entry.methods)
                ])
            return asked
        if partial_asked is not None:
            update(scope, partial_asked[1])
            return paced((<Opaque> partial_asked[2]).route.handle)
        return None

    def matches_http(self, scope):
        """Whether any route matches this scope, method apart. The scope is not changed."""
        cdef Py_ssize_t index = -1, position = 0
        self.matcher.find(route_path(scope), 0, &index)
        return index >= 0 or self.ask(scope, &position, cython.cast(Py_ssize_t, 0x7fffffffffffffff)) is not None
