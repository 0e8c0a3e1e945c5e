from wirefast._core.channel cimport Channel
from wirefast._core.meter cimport Meter

cdef enum SocketState:       # starlette.websockets.WebSocketState
    CONNECTING = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RESPONSE = 3


cdef class AsgiSocket:
    """The state machine of one WebSocket over ASGI messages; `_core/websocket` adds the calls of applications."""
    cdef public object scope
    # The object of `state`; None before the first access.
    cdef object kept_state
    # The state of each side, as far as it is known.
    cdef SocketState client
    cdef SocketState application
    # The ASGI callables, and their channel if nothing has wrapped them.
    cdef object receive_callable
    cdef object send_callable
    cdef Channel channel
    # receive() or send() was replaced, on a subclass or on this object: call the replacement.
    cdef bint patched
    # A send failed because the peer has left, and the application has not closed.
    cdef bint peer_gone
    # The limits and the expiry of this socket; None if it has none. The code that made the object calls its end().
    cdef Meter meter

    # An ASGI send that waits; it tells the meter, if there is one.
    cdef object noted(self, object sending)
    # Note the channel if the two callables are wirefast's own and unwrapped.
    cdef int find_channel(self) except -1
    # The exception of the send that failed because the peer has left, made of what the server raised; and the exception
    # of later sends.
    cdef object lost(self, object exc)
    cdef object lost_before(self)
    # Whether another task made that send. The task of the send sees a closed socket, as in Starlette. Every other task
    # does not know yet: its next send raises, its next receive tells how the peer left.
    cdef bint is_lost_elsewhere(self) except -1
    # An exception with the mark of this connection (`_core/whose.py`).
    cdef object own(self, object exc)
