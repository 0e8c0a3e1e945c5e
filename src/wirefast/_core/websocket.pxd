from wirefast._core.asgi_socket cimport AsgiSocket
from wirefast._core.channel cimport Channel
from wirefast._core.coroutine cimport CompiledCoroutine

cdef enum:             # the option of a ReceiveCall or SendCall
    FRAME = 15         # the bits of its EventKind, TEXT or BINARY
    AS_JSON = 16
    WRONG_MODE = 32

cdef enum:             # the phase of a call: the awaitable that it waits for
    CHECKED            # receive() or send(), which check the state
    MESSAGE            # the ASGI receive callable
    EVENT              # the channel
    WRITTEN            # the ASGI send callable, or the channel's drain


cdef class WebSocketCore(AsgiSocket):
    """The methods of one WebSocket for applications, over ASGI messages or directly over a Channel; no fields."""
    cdef int before_receive(self) except -1
    cdef dict checked(self, object message)
    cdef object payload(self, object message, str key)
    # The exception of the channel's last event.
    cdef object closed(self, object payload)
    # A message decoded from JSON; and the exception for a text frame in place of a binary frame, or the reverse.
    cdef object decoded(self, object text)
    cdef object unexpected(self, str key)


# Subclasses that add no fields: option is the frame's EventKind with flags, argument the data to send.
cdef class ReceiveCall(CompiledCoroutine):
    # The result, or a wait for the channel.
    cdef object next_event(self, WebSocketCore websocket)


cdef class SendCall(CompiledCoroutine):
    cdef dict message(self)
    cdef object write(self, Channel channel)


cdef ReceiveCall receiving(str name, WebSocketCore websocket, int option)
cdef SendCall sending(str name, WebSocketCore websocket, object data, int option)
