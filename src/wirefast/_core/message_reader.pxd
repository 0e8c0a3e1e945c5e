# What a session of messages knows of its socket: frames, and the end.

from wirefast._core.channel cimport EventKind
from wirefast._core.websocket cimport WebSocketCore


cdef class MessageReader:
    cdef WebSocketCore websocket
    cdef object failure          # what ends the socket; None as long as it lives
    # The task that runs the session, once it may have to be cancelled: while it waits for a frame (idle) or runs a
    # handler that a disconnect cancels (watching).
    cdef object task
    cdef bint idle
    cdef bint watching
    cdef bint interrupted        # we cancelled it, and this was not settled yet
    cdef int too_many            # messages dropped by a limit, of which the client is to be told
    cdef bint told               # the channel tells its end to noticed()
    # Over ASGI; both None until that was needed.
    cdef object reading          # the task that reads ahead
    cdef object ahead            # deque of messages, and of what ended the reading
    cdef Py_ssize_t ahead_bytes

    cdef object next_frame(self, EventKind* kind)
    cdef object counted(self, bytes event)
    cdef object payload(self, object message, EventKind* kind)
    cdef object known_end(self, object failure)
    cdef int watch(self) except -1
    cdef int read_ahead(self) except -1
    cdef int interrupt(self, object failure) except -1
    cdef bint settle(self, object failure) except -1
