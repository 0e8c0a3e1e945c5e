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
    # The object of `state`, None before it is asked for.
    cdef object kept_state
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
    # The exception of a send that found the peer gone, from what the server raised; and that of the sends after it.
    cdef object lost(self, object exc)
    cdef object lost_before(self)
    # Whether another task made that send. The task that made it sees a closed socket, as in Starlette. Every other task
    # does not know yet: its next send raises, its next receive tells how the peer left.
    cdef bint is_lost_elsewhere(self) except -1
    # An exception with the mark of this connection (`_core/whose.py`).
    cdef object own(self, object exc)
