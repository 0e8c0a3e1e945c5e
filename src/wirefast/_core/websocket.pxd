from wirefast._core.channel cimport Channel
from wirefast._core.coroutine cimport CompiledCoroutine
from wirefast._core.meter cimport Meter

cdef enum SocketState:       # starlette.websockets.WebSocketState
    CONNECTING = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RESPONSE = 3

cdef enum:             # the option of a ReceiveCall or SendCall
    FRAME = 15         # the bits of its EventKind, TEXT or BINARY
    AS_JSON = 16
    WRONG_MODE = 32

cdef enum:             # its phase: what it waits for
    CHECKED            # receive() or send(), which know the state
    MESSAGE            # the ASGI receive callable
    EVENT              # the channel
    WRITTEN            # the ASGI send callable, or the channel's drain


cdef class WebSocketCore:
    """The state machine of one WebSocket, over ASGI messages or directly over a Channel."""
    cdef public object scope
    # What each side is known to have done.
    cdef SocketState client
    cdef SocketState application
    # The ASGI callables, and the channel behind them when nothing wrapped them.
    cdef object receive_callable
    cdef object send_callable
    cdef Channel channel
    # receive() or send() was replaced, on a subclass or on this object: go through the replacement.
    cdef bint patched
    # A send found the peer gone, and the application has closed nothing.
    cdef bint peer_gone
    # The limits and the expiry of this socket; None where it has none. Whoever made it calls its end().
    cdef Meter meter

    # Note the channel where the two callables are one's own, unwrapped.
    cdef int find_channel(self) except -1
    cdef int before_receive(self) except -1
    cdef dict checked(self, object message)
    cdef object payload(self, object message, str key)
    # The exception of a send that found the peer gone, from what the server raised; and that of the sends after it.
    cdef object lost(self, object exc)
    cdef object lost_before(self)
    # Whether another task made that send. The task that made it sees a closed socket, as in Starlette. Every other task
    # does not know yet: its next send raises, its next receive tells how the peer left.
    cdef bint is_lost_elsewhere(self) except -1
    # The exception of the channel's last event; an exception with the mark of this connection (`_core/whose.py`).
    cdef object closed(self, object payload)
    cdef object own(self, object exc)
    # A message decoded from JSON; and the exception of a text frame where a binary one was asked for, or the reverse.
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
