# Receive on a socket whose messages are counted.

cimport cython

from wirefast._core.channel cimport EventKind
from wirefast._core.coroutine cimport CompiledCoroutine
from wirefast._core.meter cimport Meter
from wirefast._core.websocket cimport WebSocketCore


@cython.final
cdef class MeteredReceive(CompiledCoroutine):
    cdef object take_event(self, WebSocketCore websocket)
    cdef object take_message(self, WebSocketCore websocket, dict message)
    cdef object refuse(self, WebSocketCore websocket, int verdict)


# Give a new socket of LimitedWebSocket its meter.
cdef int give_meter(WebSocketCore websocket, Meter meter) except -1

# The bytes of the payload of an ASGI message.
cdef Py_ssize_t size_of(object payload) except -1

# Whether a refused message is dropped; counts the message.
cdef bint drops(WebSocketCore websocket, int verdict) except -1

# The exception for the receiver of a refused message. Over a channel, this closes the socket first.
cdef object exceeded(WebSocketCore websocket, int verdict)
