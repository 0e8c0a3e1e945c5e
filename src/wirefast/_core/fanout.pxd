# One message for many sockets, and the sockets of a hub.

from wirefast._core.channel cimport Channel, EventKind
from wirefast._core.outbox cimport Outbox, Policy


cdef class RoomMember


cdef class OutgoingMessage:
    # The payload as it goes over the wire, and what kind of frame it goes in.
    cdef readonly bytes data
    cdef EventKind kind
    # Bytes that it takes in an outbox: those of its frame.
    cdef readonly Py_ssize_t size
    # Made when the first socket wants them: the text as ASGI messages carry it, the frame and who made it.
    cdef str decoded
    cdef bytes frame
    cdef object frame_class
    # The frame of the compressed message, for all sockets that take one; None where compressing saves nothing, or no
    # socket has asked for the frame.
    cdef bytes packed
    cdef bint was_packed

    cdef bytes frame_for(self, Channel channel)


# What did not go smoothly for one member: its message was not taken, or others were dropped for it.
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
    # The WebSocket, or a weak reference over ASGI, because only the end of that object tells the end of the socket.
    cdef object socket
    # Name of a room -> how often it was joined.
    cdef readonly dict rooms
    # What the hub has put into the outbox's watchers.
    cdef public object watcher

    cdef int give(self, OutgoingMessage message, Policy policy, object key, bint first) except -1
