# One message for many sockets, and the sockets of a hub.

from wirefast._core.channel cimport Channel, EventKind
from wirefast._core.outbox cimport Outbox, Policy


cdef class RoomMember


cdef class OutgoingMessage:
    # The payload on the wire, and the kind of its frame.
    cdef readonly bytes data
    cdef EventKind kind
    # The bytes that it takes in an outbox: the size of the frame.
    cdef readonly Py_ssize_t size
    # Made for the first socket that needs them: the text for ASGI messages, the frame and the class that made it.
    cdef str decoded
    cdef bytes frame
    cdef object frame_class
    # The frame of the compressed message, for all sockets that take compressed frames; None if compression saves
    # nothing, or if no socket has asked for the frame.
    cdef bytes packed
    cdef bint was_packed

    cdef bytes frame_for(self, Channel channel)


# What went wrong for one member: the message was not taken, or other messages were dropped for it.
cdef class Setback:
    cdef readonly RoomMember member
    cdef readonly int outcome                 # an Outcome
    cdef readonly unsigned long long dropped
    cdef readonly unsigned long long dropped_bytes


cdef class RoomMember:
    # The way to the socket: its channel, or the Sender that wraps its ASGI send.
    cdef readonly object outlet
    cdef Channel channel
    cdef readonly Outbox outbox
    # The WebSocket; over ASGI a weak reference to it, because there only the end of that object tells the end of the
    # socket.
    cdef object socket
    # Name of a room -> how often the socket joined it.
    cdef readonly dict rooms
    # The callable that the hub has added to the outbox's watchers.
    cdef public object watcher

    cdef int give(self, OutgoingMessage message, Policy policy, object key, bint first) except -1
