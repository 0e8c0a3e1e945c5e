# The interface between the core and a server protocol: one open WebSocket, without ASGI messages.
#
# A protocol subclasses Channel and overrides the cdef methods marked "protocol". WebSocket calls them
# when the `receive` and `send` it was given are this channel's own AsgiReceive and AsgiSend, that is,
# when nothing between the server and the endpoint wrapped them.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8, PyUnicode_GET_LENGTH

from wirefast._core.outbox cimport Outbox, Policy


cdef enum EventKind:
    NOTHING = 0      # no event is ready
    TEXT = 1         # payload: str of ASCII alone, or bytes of valid UTF-8
    BINARY = 2       # payload: bytes
    CLOSED = 8       # payload: tuple (code: int, reason: str | None); stays the last event for ever.
                     # The reason is None when no close frame was seen (connection lost, refused, shut down).


# The bytes of the payload of a text or binary event.
cdef inline Py_ssize_t payload_size(object payload) noexcept:
    return PyBytes_GET_SIZE(payload) if type(payload) is bytes else PyUnicode_GET_LENGTH(payload)


# The text of the payload of a text event.
cdef inline object payload_text(object payload):
    if type(payload) is str:
        return payload
    return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload), NULL)


cdef class Channel:
    # True once the connect event was taken (the ASGI "websocket.connect" message).
    cdef bint connect_taken
    # Whether the peer takes messages that are compressed without a context, once for all sockets.
    cdef bint takes_packed
    # The mark of this connection, in exceptions and in copies of its scope: see `_core/whose.py`.
    cdef object mark
    # Messages that wait while the transport takes no more; made for the first such message, or when a hub watches the
    # end.
    cdef Outbox outbox

    # protocol: the next event, and its kind; None and NOTHING without an event. Never awaits.
    cdef object next_event(self, EventKind* kind)
    # protocol: an asyncio.Future done when next_event has something to give. Cancelling it loses nothing.
    cdef object wait(self)
    # protocol: whether a message has come that the application has not received yet.
    cdef bint has_unread(self) noexcept
    # protocol: until when the peer is known to have taken what it was sent, on the monotonic clock: now, unless sends wait.
    cdef double taken_until(self) noexcept
    # protocol: whether the handshake is accepted and neither side is known to have closed.
    cdef bint is_open(self) noexcept
    # protocol: answer the handshake with 101. ValueError for a subprotocol or header that no server may
    # send (nothing is written then); OSError when the peer has left.
    cdef int accept(self, object subprotocol, object headers) except -1
    # protocol: frame one message and queue it for the write of this turn of the loop. `data` is copied
    # or written before the call returns. OSError when the transport is closing or lost.
    cdef int send_frame(self, EventKind kind, const char* data, Py_ssize_t size) except -1
    # protocol: None while the writer is below its high-water mark and may go on, else a Future to await;
    # from time to time a bare yield below the mark, so that no peer keeps the loop busy.
    cdef object drain(self)
    # protocol: send the close frame (or, before accept, refuse the handshake with 403) and start the
    # closing handshake. `reason` must fit in 123 bytes of UTF-8.
    cdef int close(self, int code, str reason) except -1
    # protocol: the frame of a message, ready for `offer` on any channel of this class.
    cdef bytes ready_frame(self, EventKind kind, bytes data)
    # protocol, where `takes_packed`: the compressed frame of a message; None if compression saves nothing.
    cdef bytes packed_frame(self, EventKind kind, bytes data)
    # protocol, where `takes_packed`: a message of another context may be sent now, so no later message is compressed by
    # an earlier one.
    cdef int forget_context(self) except -1
    # protocol: send a ready frame to a peer that may be slow; the policy decides what happens when the frame
    # does not fit. Returns an Outcome. Never awaits. `size` is that of the message's payload, before compression.
    cdef int offer(self, bytes frame, Py_ssize_t size, Policy policy, object key, bint first) except -1
    # protocol: close for a reason that is not the application's. A later close() of the application is then no error.
    cdef int dismiss(self, int code, str reason) except -1
    # protocol: seconds since the oldest message in the outbox came; 0 if nothing waits.
    cdef double waiting_for(self) except? -1.0
    # protocol: any other ASGI message (the denial response's start and body).
    cdef object send_other(self, dict message)

    cdef Outbox own_outbox(self)


cdef extern from "Python.h":
    # The UTF-8 of a text; NULL with an error set, which text_error reads.
    const char* utf8_of "PyUnicode_AsUTF8AndSize"(object text, Py_ssize_t* size) noexcept

# After utf8_of gave NULL: the text with U+FFFD for its lone surrogates. Where `text` is no str, a TypeError in words of
# ours for send_text(), or for an ASGI event.
cdef object repaired(object text, bint in_event)


@cython.final
cdef class AsgiReceive:
    cdef readonly Channel channel

    cdef dict message(self)


@cython.final
cdef class AsgiSend:
    cdef readonly Channel channel

    cdef int send_data(self, dict message) except -1
    cdef int close(self, object code, object reason) except -1
    # An awaitable when the sender has to wait, else None.
    cdef object dispatch(self, dict message)
