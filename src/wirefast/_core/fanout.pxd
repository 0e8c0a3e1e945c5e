# One message for many sockets, and the sockets of a hub.

from wirefast._core.channel cimport Channel, EventKind
from wirefast._core.outbox cimport Outbox, Policy


cdef class Message:
    # The payload as it goes over the wire, and what kind of frame it goes in.
    cdef readonly bytes data
    cdef EventKind kind
    # Bytes that it takes in an outbox: those of its frame.
    cdef readonly Py_ssize_t size
    # Made when the first socket wants them: the text as ASGI messages carry it, the frame and who made it.
    cdef str decoded
    cdef bytes frame
    cdef object frame_class

    cdef bytes frame_for(self, Channel channel)


cdef class Member:
    # The way to the socket: its channel, or the Sender that wraps its ASGI send.
    cdef readonly object outlet
    cdef Channel channel
    cdef readonly Outbox outbox
    # The WebSocket, or a weak reference where it goes by ASGI: nothing else says when such a socket is done with.
    cdef object socket
    # Name of a room -> how often it was joined.
    cdef readonly dict rooms
    # What the hub has put into the outbox's watchers.
    cdef public object watcher

    cdef int give(self, Message message, Policy policy, object key, bint first) except -1
