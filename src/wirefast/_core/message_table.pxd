# What is decided once for a route of messages: its handlers, which messages go to which, how replies are written.
#
# The values that the handshake was solved to have the first slots of every plan, then comes the message; what a
# message-scoped dependency gives has the slots behind them. So one list serves all handlers of a socket, and a handler
# without such dependencies needs no frame.

from wirefast._core.message_input cimport MessageInput
from wirefast._core.plan_cache cimport PlanCache

cdef enum HandlerKind:
    AWAITED = 0        # a coroutine function
    THREADED = 1       # a plain function: it runs in a thread
    ITERATED = 2       # an asynchronous generator function: each item is a reply

cdef enum OnInvalid:   # what an invalid message is answered with
    ANSWER = 0
    CLOSE = 1
    IGNORE = 2


cdef class Replies:
    """From what a handler returned to the bytes of a frame."""
    cdef dict writers            # class -> its to_json(value, **options)
    cdef object other            # callable(value) -> bytes, for what has another class
    cdef dict options            # keywords of to_json; None: by_alias alone
    cdef frozenset own_ref       # classes with a member "ref" of their own, which is left alone

    cdef bytes encode(self, object value, bytes ref)


cdef class MessageHandler:
    cdef readonly object call
    cdef PlanCache plans
    cdef HandlerKind kind
    cdef bint concurrent         # runs beside the messages behind it
    cdef bint cancels            # is cancelled when the peer is gone
    cdef Replies replies


cdef class MessageTable:
    cdef MessageInput input      # which messages it takes; the handler of each of its targets is a MessageHandler
    cdef MessageHandler stream   # runs for the socket's life, and what the peer sends is dropped; or None
    cdef MessageHandler opened   # on_connect and on_disconnect; or None
    cdef MessageHandler ended
    cdef Py_ssize_t given        # values from the handshake; the message's slot is behind them
    cdef OnInvalid on_invalid
    cdef int max_invalid
    cdef int in_flight
    cdef bint closes_on_error
    # From above the core: the exception for parameters that are not valid; and the exception handlers that each App
    # has, which close sockets rather than answer messages.
    cdef object invalid
    cdef frozenset default_handlers
