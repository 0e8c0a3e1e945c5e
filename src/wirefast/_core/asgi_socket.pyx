# cython: annotation_typing=False
"""A WebSocket's state, and its ASGI messages: Starlette's rules and sentences, compiled.

Two ways lead to the peer. Over ASGI, every message is a dict passed to `receive` and `send`. Directly, when
the server's own callables arrived unwrapped, the calls of `_core/websocket` reach its Channel without a message
object. `receive()` and `send()` always use ASGI messages; an application may use both ways on one socket.
"""

from cpython.object cimport PyObject_GenericSetAttr

from wirefast._core.channel cimport AsgiReceive, AsgiSend, Channel
from wirefast._core.close cimport CLOSE_ABNORMAL
from wirefast._core.drive cimport begin
from wirefast._core.meter cimport Meter
from wirefast._core.whose cimport mark_of

import asyncio
from weakref import ref

from starlette.datastructures import State
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect, WebSocketState

from wirefast._core.errors import PeerGone
from wirefast._core.source_location import note

try:
    from starlette.websockets import WebSocketDisconnected
except ImportError:  # a Starlette without this name
    WebSocketDisconnected = RuntimeError

# After a send failed because the peer has left: seconds in which the server tells how the peer left.
LAST_PATIENCE = 5.0

cdef tuple STATES = (
    WebSocketState.CONNECTING, WebSocketState.CONNECTED, WebSocketState.DISCONNECTED, WebSocketState.RESPONSE,
)
# This class's own receive() and send(); set at the end of the module.
cdef object OWN_RECEIVE = None
cdef object OWN_SEND = None


cdef object current_task():
    """Return the running task; None under another kind of loop, and if code drives a coroutine without a task."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def _noted(Meter meter, sending):
    """Wait for a send, of which the meter knows."""
    meter.sends()
    try:
        await sending
    finally:
        meter.sent()


cdef class AsgiSocket:
    def __init__(self, scope, receive, send):
        assert scope["type"] == "websocket"
        self.scope = scope
        self.receive_callable = receive
        self.send_callable = send
        # A subclass may override the method, or a tool may replace it on a class; the shortcuts would not call it.
        cdef object cls = type(self)
        self.patched = cls.receive is not OWN_RECEIVE or cls.send is not OWN_SEND
        if not self.patched:
            self.find_channel()

    cdef int find_channel(self) except -1:
        cdef Channel channel
        self.channel = None
        if type(self.receive_callable) is AsgiReceive and type(self.send_callable) is AsgiSend:
            channel = (<AsgiReceive> self.receive_callable).channel
            if channel is (<AsgiSend> self.send_callable).channel:
                self.channel = channel
        return 0

    def __setattr__(self, name, value):
        if name == "receive" or name == "send":
            self.patched = True
            self.channel = None
        PyObject_GenericSetAttr(self, name, value)

    # ---- State ----

    @property
    def client_state(self):
        """The state of the client's side, as far as it is known (``WebSocketState``)."""
        return STATES[<int> self.client]

    @client_state.setter
    def client_state(self, state):
        self.client = state.value

    @property
    def application_state(self):
        """The state of the application's side (``WebSocketState``)."""
        return STATES[<int> self.application]

    @application_state.setter
    def application_state(self, state):
        self.application = state.value

    @property
    def connected(self):
        """True from accept until either side is known to have closed. wirefast only."""
        if self.client != CONNECTED or self.application != CONNECTED:
            return False
        return self.channel is None or self.channel.is_open()

    # Starlette's attribute, kept in a C field: an attribute of the instance would cost each socket a dict.
    @property
    def state(self):
        """What the application keeps with the connection (``starlette.datastructures.State``)."""
        if self.kept_state is None:
            self.kept_state = State(self.scope.setdefault("state", {}))
        return self.kept_state

    @property
    def _state(self):
        if self.kept_state is None:
            raise AttributeError("_state")
        return self.kept_state

    @_state.setter
    def _state(self, value):
        self.kept_state = value

    @property
    def _receive(self):
        return self.receive_callable

    @_receive.setter
    def _receive(self, value):
        self.receive_callable = value
        if not self.patched:
            self.find_channel()

    @property
    def _send(self):
        return self.send_callable

    @_send.setter
    def _send(self, value):
        self.send_callable = value
        if not self.patched:
            self.find_channel()

    # ---- ASGI messages ----

    async def receive(self) -> Message:
        """Receive the next ASGI message, checked against the state. ``starlette.websockets.WebSocket.receive``."""
        cdef object message, kind
        cdef bint done
        if self.client == CONNECTED:
            message = begin(self.receive_callable(), &done)
            if not done:
                message = await message
            kind = message["type"]
            if kind == "websocket.disconnect":
                self.client = DISCONNECTED
            elif kind != "websocket.receive":
                raise RuntimeError(
                    f'Expected ASGI message "websocket.receive" or "websocket.disconnect", but got {kind!r}'
                )
            return message
        if self.client == CONNECTING:
            message = begin(self.receive_callable(), &done)
            if not done:
                message = await message
            kind = message["type"]
            if kind != "websocket.connect":
                raise RuntimeError(f'Expected ASGI message "websocket.connect", but got {kind!r}')
            self.client = CONNECTED
            return message
        raise WebSocketDisconnected('Cannot call "receive" once a disconnect message has been received.')

    async def send(self, message: Message) -> None:
        """Send one ASGI message, checked against the state. ``starlette.websockets.WebSocket.send``."""
        cdef object kind, sending
        cdef bint done
        if self.application == CONNECTED:
            kind = message["type"]
            if kind == "websocket.close":
                self.application = DISCONNECTED
            elif kind != "websocket.send":
                raise RuntimeError(
                    f'Expected ASGI message "websocket.send" or "websocket.close", but got {kind!r}'
                )
            try:
                sending = begin(self.send_callable(message), &done)
                if not done:
                    await self.noted(sending)
            except OSError as exc:
                if kind == "websocket.close":
                    raise self.own(WebSocketDisconnect(code=CLOSE_ABNORMAL))
                raise self.lost(exc)
        elif self.application == CONNECTING:
            kind = message["type"]
            if kind == "websocket.accept":
                self.application = CONNECTED
            elif kind == "websocket.close":
                self.application = DISCONNECTED
            elif kind == "websocket.http.response.start":
                self.application = RESPONSE
            else:
                raise note(
                    RuntimeError(
                        'Expected ASGI message "websocket.accept", "websocket.close" or '
                        f'"websocket.http.response.start", but got {kind!r}'
                    ),
                    "Nothing can be sent before the handshake is answered: call await websocket.accept() first.",
                )
            sending = begin(self.send_callable(message), &done)
            if not done:
                await sending
            if self.meter is not None and self.application == CONNECTED:
                self.meter.accepted()
        elif self.application == RESPONSE:
            kind = message["type"]
            if kind != "websocket.http.response.body":
                raise RuntimeError(f'Expected ASGI message "websocket.http.response.body", but got {kind!r}')
            if not message.get("more_body", False):
                self.application = DISCONNECTED
            await self.send_callable(message)
        else:
            if self.is_lost_elsewhere():
                raise self.lost_before()
            raise WebSocketDisconnected('Cannot call "send" once a close message has been sent.')

    cdef object noted(self, object sending):
        return sending if self.meter is None else _noted(self.meter, sending)

    cdef object lost(self, object exc):
        cdef object disconnect = WebSocketDisconnect(code=CLOSE_ABNORMAL)
        cdef object task = current_task()
        self.application = DISCONNECTED
        self.peer_gone = True
        PyObject_GenericSetAttr(self, "_lost_by", None if task is None else ref(task))
        return self.own(disconnect)

    cdef bint is_lost_elsewhere(self) except -1:
        if not self.peer_gone:
            return False
        cdef object task = self._lost_by
        return (None if task is None else task()) is not current_task()

    cdef object lost_before(self):
        return self.own(PeerGone())

    cdef object own(self, object exc):
        exc.wirefast_connection = mark_of(self.scope)
        return exc

    async def _receive_last(self):
        """receive() after a send failed because the peer has left: the server tells how the peer left."""
        cdef object receiving = asyncio.ensure_future(self.receive())
        cdef object done
        try:
            done, _ = await asyncio.wait((receiving,), timeout=LAST_PATIENCE)
        finally:
            receiving.cancel()
        if not done:
            self.client = DISCONNECTED
            raise self.own(WebSocketDisconnect(code=CLOSE_ABNORMAL))
        return receiving.result()


OWN_RECEIVE = AsgiSocket.receive
OWN_SEND = AsgiSocket.send
