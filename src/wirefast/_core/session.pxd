from wirefast._core.ledger cimport RouteLimits
from wirefast._core.plan_cache cimport PlanCache


cdef class WebSocketSession:
    """The ASGI application of one WebSocket route: builds the WebSocket, solves, calls the endpoint, cleans up."""
    # What builds each part; given by the route, so that the core imports nothing above it.
    cdef readonly object websocket_class
    cdef readonly PlanCache plans
    cdef object invalid          # callable(errors, scope) -> the exception to raise for invalid parameters
    # The options of the route for a server with our extension to ASGI: keywords of its configure(), or None.
    cdef readonly dict options


cdef class LimitedSession:
    cdef WebSocketSession session
    cdef RouteLimits limits


cdef class WebSocketPipeline:
    """The ASGI application around a router if no middleware was added: exception handlers, then the routes."""
    cdef readonly object router      # a SocketRouter
    cdef tuple tables            # (handlers by class, handlers by status), as Starlette keeps them in the scope
    cdef object other_protocols  # the ASGI application for HTTP and the lifespan
    cdef object outer_websocket  # class of the WebSocket that handlers get if no session made one
