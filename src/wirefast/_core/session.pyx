"""One WebSocket connection from its route to its end."""

cimport cython

from wirefast._core.asgi_socket cimport DISCONNECTED
from wirefast._core.coroutine cimport mark_coroutine_function
from wirefast._core.ledger cimport Lease, RouteLimits
from wirefast._core.plan_cache cimport PlanCache
from wirefast._core.scope cimport find_in
from wirefast._core.solver cimport Frame, new_frame
from wirefast._core.websocket cimport WebSocketCore

from wirefast._core import scope as keys
from wirefast._core.exits import unwind
from wirefast._core.handlers import handle_exception
from wirefast._core.source_location import note_plain_function
from wirefast._core.solver import leave
from wirefast._core.hooks import is_replaced

from starlette.applications import Starlette

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned int tp_version_tag

cdef object HANDLERS_KEY = keys.EXCEPTION_HANDLERS
cdef object HUB_KEY = keys.HUB
cdef object EXTENSION_KEY = keys.EXTENSION
cdef tuple NO_HANDLERS = ({}, {})


cdef int configure(scope, dict options) except -1:
    """Give the options of the route to a server that has our extension to ASGI."""
    cdef object extensions = find_in(scope, "extensions", None), server
    if extensions is not None:
        server = find_in(extensions, EXTENSION_KEY, None)
        if server is not None:
            server.configure(**options)
    return 0


@cython.final
cdef class WebSocketSession:
    def __init__(self, *, websocket_class, PlanCache plans not None, invalid, dict options=None):
        self.websocket_class = websocket_class
        self.plans = plans
        self.invalid = invalid
        self.options = options

    def __call__(self, scope, receive, send):
        return self.serve(scope, receive, send, None, None)

    async def serve(self, scope, receive, send, WebSocketPipeline outer, RouteLimits limits=None):
        """Serve one connection. `outer` handles exceptions that the handlers of the scope do not handle, or raise."""
        cdef WebSocketCore websocket = (self.websocket_class if limits is None else limits.websocket_class)(
            scope, receive, send
        )
        cdef Lease lease = None
        cdef tuple tables = find_in(scope, HANDLERS_KEY, NO_HANDLERS)
        cdef Frame frame = None
        cdef object awaitable = None, exits = None, failure = None
        if self.options is not None:
            configure(scope, self.options)
        # No await is inside an except block: a Cython coroutine that is suspended there does not survive being resumed.
        try:
            if limits is not None:
                lease = limits.enter(scope, websocket)
                if limits.shared is not None:
                    await limits.shared(lease, websocket)
                if limits.options is not None:
                    configure(scope, limits.options)
            frame = new_frame(self.plans.current(), self.plans, websocket, scope, None)
            frame.in_asyncio = websocket.channel is not None  # our own server's
            while True:
                awaitable = frame.run()
                if awaitable is None:
                    break
                frame.store(await awaitable)
            if frame.errors is not None:
                raise self.invalid(frame.errors, scope)
            # A dependency has closed the socket, and so answered the client: the endpoint does not run.
            if websocket.application != DISCONNECTED:
                awaitable = frame.plan.endpoint.invoke(frame.slots)
                if frame.request_exits is not None or frame.function_exits is not None:
                    exits = frame.take_exits()
                # A socket may be open for days: free the values, the raw input and the plan.
                frame = None
                await awaitable
        except BaseException as exc:
            failure = exc
            if isinstance(exc, TypeError):
                note_plain_function(exc, awaitable, scope)
        if frame is not None:
            exits = frame.take_exits()
        if exits:
            try:
                if failure is None:
                    await leave(exits)
                elif await unwind(failure, exits):
                    failure = None
            except BaseException as exc:
                failure = exc
        if lease is not None:
            lease.give_back()
        if websocket.meter is not None:
            websocket.meter.finish()
        if failure is None:
            return
        if not isinstance(failure, Exception):
            raise failure
        try:
            await handle_exception(failure, websocket, tables, scope, receive, send)
            return
        except Exception as exc:
            if outer is None:
                raise
            failure = exc
        await outer.handle(failure, scope, receive, send)


@cython.final
cdef class LimitedSession:
    """A session with limits, for a route that has limits; an ASGI application."""

    def __init__(self, WebSocketSession session not None, RouteLimits limits not None):
        self.session = session
        self.limits = limits

    def __call__(self, scope, receive, send):
        return self.session.serve(scope, receive, send, None, self.limits)


# CPython gives a changed class a new version tag. The result is valid while the tag is the same.
cdef unsigned int known_version = 0


cdef bint starlette_is_hooked() except -1:
    """Whether a tool replaced Starlette.__call__, through which every connection of a FastAPI application goes."""
    global known_version
    if is_replaced(Starlette, "__call__"):
        return True
    getattr(Starlette, "__call__")  # the look-up gives the class its version tag
    known_version = (<PyTypeObject*> Starlette).tp_version_tag
    return False


def call_application(self, scope, receive, send):
    """Serve one connection, or the lifespan (ASGI 3). ``App.__call__``.

    A coroutine function that returns the coroutine of the middleware stack, so that an open socket holds no coroutine
    that only waits for another.
    """
    if self.root_path:
        scope["root_path"] = self.root_path
    scope["app"] = self
    hub = self.hub
    if hub is not None:
        scope[HUB_KEY] = hub
    if (<PyTypeObject*> Starlette).tp_version_tag != known_version and starlette_is_hooked():
        if self.middleware_stack is None:
            self.middleware_stack = self.first_stack()  # with the telemetry around it
        return Starlette.__call__(self, scope, receive, send)
    stack = self.middleware_stack
    if stack is None:
        stack = self.middleware_stack = self.first_stack()
    return stack(scope, receive, send)


mark_coroutine_function(call_application)


@cython.final
cdef class WebSocketPipeline:
    def __init__(self, *, router, tuple tables, outer_websocket, other_protocols):
        self.router = router
        self.tables = tables
        self.outer_websocket = outer_websocket
        self.other_protocols = other_protocols

    def __call__(self, scope, receive, send):
        """Return the coroutine that serves a connection.

        A route of wirefast gets the exception handlers, so that an open socket holds one coroutine less.
        """
        cdef object app
        if scope["type"] != "websocket":
            return self.other_protocols(scope, receive, send)
        scope[HANDLERS_KEY] = self.tables
        try:
            app = self.router.select_websocket(scope)
        except Exception as exc:
            return self.handle(exc, scope, receive, send)
        if type(app) is WebSocketSession:
            return (<WebSocketSession> app).serve(scope, receive, send, self, None)
        if type(app) is LimitedSession:
            return (<LimitedSession> app).session.serve(scope, receive, send, self, (<LimitedSession> app).limits)
        return self.serve(app, scope, receive, send)

    async def serve(self, app, scope, receive, send):
        """Serve a connection by a route of another framework."""
        cdef object failure
        try:
            await app(scope, receive, send)
            return
        except Exception as exc:
            failure = exc
        await self.handle(failure, scope, receive, send)

    def handle(self, exc, scope, receive, send):
        """Return the coroutine that gives an exception to its handler, with a new WebSocket that has received
        nothing."""
        return handle_exception(exc, self.outer_websocket(scope, receive, send), self.tables, scope, receive, send)
