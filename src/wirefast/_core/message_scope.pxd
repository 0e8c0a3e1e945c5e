# Dependencies of scope "message" in an endpoint that reads its messages itself.

from wirefast._core.plan_cache cimport PlanCache
from wirefast._core.websocket cimport WebSocketCore


cdef class MessageScopes:
    """What the message scopes of one socket share."""
    cdef WebSocketCore websocket
    cdef PlanCache plans         # of a function that returns its arguments as a dict
    cdef list values             # the values of the handshake, which have the first slots of the plan
    cdef object invalid          # callable(errors, scope) -> exception
    # ContextVar: the values of the scope that the running task is in; None outside.
    cdef object current


cdef class MessageScope:
    cdef MessageScopes scopes    # None after it was entered
    cdef list exits              # entered generators, in order
    cdef object values           # dict, emptied at the end; None before
    cdef object current
    cdef object token
