# One socket whose messages go to the handlers of its route's MessageTable.

from wirefast._core.channel cimport EventKind
from wirefast._core.message_reader cimport MessageReader
from wirefast._core.message_table cimport MessageHandler, MessageTable


cdef enum Scoped:      # whether an anyio cancel scope encloses the session's task
    UNKNOWN = 0
    OUTSIDE = 1
    INSIDE = 2


cdef class MessageSession(MessageReader):
    cdef MessageTable table
    cdef list slots              # values of the handshake, and a place for the message
    cdef int invalid_in_row
    cdef Scoped scoped
    # The running concurrent handlers -> whether the end of the socket cancels them; None before the first.
    cdef dict running
    cdef object freed            # future, done when one of them ends

    cdef object dispatch(self, object data, EventKind kind)
    cdef object call(self, MessageHandler handler, object message, bytes ref)
    cdef object start(self, MessageHandler handler, object message, bytes ref, object started)
    cdef object spawn(self, MessageHandler handler, object message, bytes ref)
    cdef int most_in_flight(self) except -1
    cdef bint is_unscoped(self) except -1
    cdef object cancellation(self, object failure)
    cdef bint is_its_end(self, object failure) except -1
    cdef object reply(self, MessageHandler handler, object value, bytes ref)
    cdef object write(self, bytes data, EventKind kind)
    cdef bytes error_bytes(self, dict error)
