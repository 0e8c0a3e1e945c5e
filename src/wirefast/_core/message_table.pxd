# The decisions for a route of messages that are made once: the handlers, the handler of each message, the form of
# replies.
#
# In every plan the first slots hold the values of the handshake. The next slot holds the message, and the slots behind
# it hold the values of message-scoped dependencies. So one list serves all handlers of a socket, and a handler without
# such dependencies needs no frame.

from wirefast._core.message_input cimport MessageInput
from wirefast._core.plan_cache cimport PlanCache

cdef enum HandlerKind:
    AWAITED = 0        # a coroutine function
    THREADED = 1       # a plain function: it runs in a thread
    ITERATED = 2       # an asynchronous generator function: each item is a reply

cdef enum OnInvalid:   # what happens to an invalid message
    ANSWER = 0
    CLOSE = 1
    IGNORE = 2


cdef class Replies:
    """Makes the bytes of a frame of the result of a handler."""
    cdef dict writers            # class -> its to_json(value, **options)
    cdef object other            # callable(value) -> bytes, for values of other classes
    cdef dict options            # keywords of to_json; None: by_alias alone
    cdef frozenset own_ref       # classes with a member "ref" of their own, which stays unchanged

    cdef bytes encode(self, object value, bytes ref)


cdef class MessageHandler:
    cdef readonly object call
    cdef PlanCache plans
    cdef HandlerKind kind
    cdef bint concurrent         # runs at the same time as the handlers of later messages
    cdef bint cancels            # is cancelled when the peer has left
    cdef Replies replies


cdef class MessageTable:
    cdef MessageInput input      # the kinds of message; the handler of each target is a MessageHandler
    cdef MessageHandler stream   # runs as long as the socket; messages of the peer are dropped; or None
    cdef MessageHandler opened   # on_connect and on_disconnect; or None
    cdef MessageHandler ended
    cdef Py_ssize_t given        # how many values of the handshake there are; the slot of the message is behind them
    cdef OnInvalid on_invalid
    cdef int max_invalid
    cdef int in_flight
    cdef bint closes_on_error
    # Given by a package above the core: the exception for parameters that are not valid; and the default exception
    # handlers of each App, which close sockets and do not answer messages.
    cdef object invalid
    cdef frozenset default_handlers
