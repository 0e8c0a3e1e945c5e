# The frames and the end of one socket, for a session of messages.

from wirefast._core.channel cimport EventKind
from wirefast._core.websocket cimport WebSocketCore


cdef class MessageReader:
    cdef WebSocketCore websocket
    cdef object failure          # the exception that ends the socket; None while it is open
    # The task of the session, while a disconnect has to cancel it: while it waits for a frame (idle) or runs a handler
    # that a disconnect cancels (watching).
    cdef object task
    cdef bint idle
    cdef bint watching
    cdef bint interrupted        # the reader cancelled the task, and the cancellation is not settled yet
    cdef int too_many            # messages that a limit dropped, and whose error the client has not got yet
    cdef bint told               # the channel calls noticed() at its end
    # Over ASGI; both None before the first use.
    cdef object reading          # the task that reads ahead
    cdef object ahead            # deque of messages, and of the exception that ended the reading
    cdef Py_ssize_t ahead_bytes

    cdef object next_frame(self, EventKind* kind)
    cdef object counted(self, object event)
    cdef object payload(self, object message, EventKind* kind)
    cdef object known_end(self, object failure)
    cdef int watch(self) except -1
    cdef int read_ahead(self) except -1
    cdef int interrupt(self, object failure) except -1
    cdef bint settle(self, object failure) except -1
