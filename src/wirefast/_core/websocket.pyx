# cython: annotation_typing=False
"""The methods of a WebSocket for applications: accept, close, receive and send each kind of message.

A receive or a send over the Channel of our server needs no ASGI message. Any other uses `receive()` or `send()` of
`_core/asgi_socket`, which check the state.
"""

from cpython.buffer cimport PyObject_CheckBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from wirefast._core cimport json
from wirefast._core.asgi_socket cimport CONNECTED, CONNECTING, DISCONNECTED, AsgiSocket
from wirefast._core.channel cimport (
    BINARY, CLOSED, NOTHING, TEXT, Channel, EventKind, payload_text, repaired, utf8_of,
)
from wirefast._core.coroutine cimport Resting, make, mark_coroutine_function, register
from wirefast._core.drive cimport begin

from collections.abc import AsyncIterator, Iterable
from typing import Any

from starlette.websockets import WebSocketDisconnect

from wirefast._core import close as ends  # the class below has a method close()
from wirefast._core.asgi_socket import WebSocketDisconnected
from wirefast._core.coroutine import kind_of, missing_await
from wirefast._core.errors import UnexpectedFrame, blame_peer
from wirefast._core.unicode import utf8

cdef extern from "Python.h":
    object PyObject_CallNoArgs(object callable)
    Py_UCS4 PyUnicode_MAX_CHAR_VALUE(object text)
    object PyObject_CallOneArg(object callable, object argument)


cdef class WebSocketCore(AsgiSocket):
    # ---- Opening and closing ----

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Accept the handshake.

        Args:
            subprotocol: the chosen one of ``scope["subprotocols"]``; None for none.
            headers: extra response headers, pairs of bytes.

        Raises:
            RuntimeError: already accepted, or closed.
            TypeError, ValueError: a subprotocol or header that our server cannot send.
        """
        if headers is None:
            headers = []
        if self.channel is not None and self.application == CONNECTING and self.client == CONNECTING:
            if not self.channel.connect_taken:
                self.channel.connect_taken = True
                self.client = CONNECTED
                self.application = CONNECTED
                self.channel.accept(subprotocol, headers)
                if self.meter is not None:
                    self.meter.accepted()
                return
        if self.client == CONNECTING:
            await self.receive()
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers or []})

    async def close(self, code: int = ends.NORMAL, reason: str | None = None) -> None:
        """Close the connection; before ``accept()``, refuse the handshake.

        Args:
            code: a close code of RFC 6455, section 7.4. Default: 1000.
            reason: at most 123 bytes of UTF-8. Default: none.

        Raises:
            WebSocketDisconnect: code 1006, the peer has left.
            RuntimeError: already closed.
            ValueError: on our server after ``accept()``, a code that no frame may carry.
        """
        await self.send({"type": "websocket.close", "code": code, "reason": reason or ""})

    # ---- Receiving ----

    cdef int before_receive(self) except -1:
        if self.application != CONNECTED and not self.is_lost_elsewhere():
            raise WebSocketDisconnected('WebSocket is not connected. Need to call "accept" first.')
        if self.client == DISCONNECTED and not self.patched:
            raise WebSocketDisconnected('Cannot call "receive" once a disconnect message has been received.')
        return 0

    cdef object closed(self, object payload):
        cdef object disconnect = WebSocketDisconnect(payload[0], payload[1])
        self.client = DISCONNECTED
        disconnect.wirefast_connection = self.channel.mark
        return disconnect

    cdef object payload(self, object message, str key):
        """Return the payload of a "websocket.receive" message; raise for any other."""
        cdef object value
        if message["type"] == "websocket.disconnect":
            raise self.own(WebSocketDisconnect(message["code"], message.get("reason")))
        value = message.get(key)
        if value is None:
            raise self.unexpected(key)
        return value

    cdef object decoded(self, object text):
        try:
            return json.decode(text)
        except ValueError as exc:
            raise self.own(blame_peer(exc, ends.MALFORMED_JSON))

    cdef object unexpected(self, str key):
        return self.own(UnexpectedFrame(key))

    def receive_text(self) -> str:
        """Receive the next message, which must be text.

        Raises:
            WebSocketDisconnect: the peer closed or the connection was lost; ``code`` and ``reason`` say how. Also after
                a send of another task, such as a hub's, failed for that reason; then 1006 if the server does not
                tell within 5 s.
            RuntimeError: not accepted, or already closed, or a send of this task failed because the peer has left.
            KeyError: the message is binary.
        """
        return receiving("receive_text", self, TEXT)

    def receive_bytes(self) -> bytes:
        """Receive the next message, which must be binary. Raises as receive_text()."""
        return receiving("receive_bytes", self, BINARY)

    def receive_json(self, mode: str = "text") -> Any:
        """Receive the next message, decoded from JSON.

        Args:
            mode: ``"text"`` (default) or ``"binary"``, the kind of the frame.

        Raises:
            json.JSONDecodeError: malformed or absurdly nested; the connection stays open.
            RuntimeError: another mode. Otherwise as receive_text().
        """
        return receiving("receive_json", self, AS_JSON | frame_kind(mode))

    cdef dict checked(self, object message):
        """Check a message of another type than "websocket.receive" as receive() does."""
        kind = message["type"]
        if kind == "websocket.disconnect":
            self.client = DISCONNECTED
        elif kind != "websocket.receive":
            raise RuntimeError(
                f'Expected ASGI message "websocket.receive" or "websocket.disconnect", but got {kind!r}'
            )
        return dict(message)

    async def iter_text(self) -> AsyncIterator[str]:
        """Text messages until the peer closes."""
        try:
            while True:
                yield await self.receive_text()
        except WebSocketDisconnect:
            pass

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Binary messages until the peer closes."""
        try:
            while True:
                yield await self.receive_bytes()
        except WebSocketDisconnect:
            pass

    async def iter_json(self) -> AsyncIterator[Any]:
        """Text messages decoded from JSON until the peer closes."""
        try:
            while True:
                yield await self.receive_json()
        except WebSocketDisconnect:
            pass

    # ---- Sending ----

    def send_text(self, data: str) -> None:
        """Send a text message.

        Args:
            data: the text, a str.

        Raises:
            WebSocketDisconnect: code 1006, the peer has left. After a send of another task failed for that reason, the
                exception is a ``RuntimeError`` as well.
            RuntimeError: not accepted, or already closed, or a send of this task failed because the peer has left.
            TypeError: on our server, ``data`` is no str.
        """
        return sending("send_text", self, data, TEXT)

    def send_bytes(self, data: bytes) -> None:
        """Send ``data``, bytes or another buffer, as a binary message. Raises as send_text()."""
        return sending("send_bytes", self, data, BINARY)

    def send_json(self, data: Any, mode: str = "text") -> None:
        """Send a value as JSON.

        Args:
            data: what orjson or the standard library can encode, and pydantic models, Decimal, set, deque.
            mode: ``"text"`` (default) or ``"binary"``, the kind of the frame.

        Raises:
            TypeError: the value has no JSON form. Otherwise as send_text().
        """
        return sending("send_json", self, data, AS_JSON | frame_kind(mode))


# ---- The six coroutines ----


cdef int frame_kind(object mode) except -1:
    """Return the kind of frame of a ``mode``. A wrong mode raises when the coroutine is awaited."""
    if mode == "text":
        return TEXT
    return BINARY if mode == "binary" else WRONG_MODE


cdef Resting receive_calls, send_calls


cdef ReceiveCall receiving(str name, WebSocketCore websocket, int option):
    return <ReceiveCall> make(&receive_calls, name, websocket, None, option)


cdef SendCall sending(str name, WebSocketCore websocket, object data, int option):
    return <SendCall> make(&send_calls, name, websocket, data, option)


cdef class ReceiveCall(CompiledCoroutine):
    """receive_text(), receive_bytes(), receive_json()."""

    cdef object start(self):
        cdef WebSocketCore websocket = <WebSocketCore> self.owner
        if self.option & WRONG_MODE:
            raise RuntimeError('The "mode" argument should be "text" or "binary".')
        websocket.before_receive()
        if websocket.patched or websocket.client != CONNECTED:
            self.phase = CHECKED
            return self.wait_for(websocket.receive())
        if websocket.channel is None:
            if websocket.peer_gone:
                self.phase = CHECKED
                return self.wait_for(websocket._receive_last())
            self.phase = MESSAGE
            return self.wait_for(PyObject_CallNoArgs(websocket.receive_callable))
        return self.next_event(websocket)

    cdef object resume(self, object value):
        cdef WebSocketCore websocket = <WebSocketCore> self.owner
        cdef str key
        if self.phase == EVENT:
            # receive() may have been replaced meanwhile.
            return self.start() if websocket.channel is None else self.next_event(websocket)
        key = "text" if self.option & FRAME == TEXT else "bytes"
        if self.phase == MESSAGE and type(value) is dict and (<dict> value)["type"] == "websocket.receive":
            value = (<dict> value).get(key)
            if value is None:
                raise websocket.unexpected(key)
        else:
            value = websocket.payload(websocket.checked(value) if self.phase == MESSAGE else value, key)
        return websocket.decoded(value) if self.option & AS_JSON else value

    cdef object next_event(self, WebSocketCore websocket):
        cdef EventKind kind = NOTHING
        cdef object event = websocket.channel.next_event(&kind)
        if <int> kind == self.option & FRAME:
            if self.option & AS_JSON:
                return websocket.decoded(event)
            return event if kind == BINARY else payload_text(event)
        if kind == NOTHING:
            self.phase = EVENT
            return self.wait_for(websocket.channel.wait())
        if kind == CLOSED:
            raise websocket.closed(event)
        raise websocket.unexpected("text" if self.option & FRAME == TEXT else "bytes")


cdef class SendCall(CompiledCoroutine):
    """send_text(), send_bytes(), send_json()."""

    cdef object start(self):
        cdef WebSocketCore websocket = <WebSocketCore> self.owner
        cdef object sending
        cdef bint done
        if self.option & WRONG_MODE:
            raise RuntimeError('The "mode" argument should be "text" or "binary".')
        if websocket.application != CONNECTED or websocket.patched:
            self.phase = CHECKED
            return self.wait_for(websocket.send(self.message()))
        self.phase = WRITTEN
        try:
            if websocket.channel is None:
                sending = PyObject_CallOneArg(websocket.send_callable, self.message())
                if websocket.meter is not None:
                    sending = begin(sending, &done)
                    if done:
                        return None
                    sending = websocket.noted(sending)
                return self.wait_for(sending)
            return self.write(websocket.channel)
        except OSError as exc:
            raise websocket.lost(exc)

    cdef object resume(self, object value):
        return None

    cdef object failed(self, object exc):
        if self.phase == WRITTEN and isinstance(exc, OSError):
            disconnect = (<WebSocketCore> self.owner).lost(exc)
            disconnect.__context__ = exc
            raise disconnect
        raise exc

    cdef dict message(self):
        """Return what to send, as an ASGI message."""
        if self.option & AS_JSON:
            if self.option & FRAME == TEXT:
                return {"type": "websocket.send", "text": json.encode_text(self.argument)}
            return {"type": "websocket.send", "bytes": json.encode(self.argument)}
        if self.option & FRAME == TEXT:
            # Other servers cannot send a lone surrogate either. Only text beyond Latin-1 can hold one.
            if type(self.argument) is str and PyUnicode_MAX_CHAR_VALUE(self.argument) > 0xFF:
                return {"type": "websocket.send", "text": utf8(self.argument).decode()}
            return {"type": "websocket.send", "text": self.argument}
        return {"type": "websocket.send", "bytes": self.argument}

    cdef object write(self, Channel channel):
        """Send by the channel; wait only if the channel requires it."""
        cdef Py_ssize_t size
        cdef const char* text
        cdef object data = self.argument, drained
        if self.option == TEXT:
            text = utf8_of(data, &size)
            if text is NULL:
                data = repaired(data, False)
                text = utf8_of(data, &size)
            channel.send_frame(TEXT, text, size)
        else:
            if self.option & AS_JSON:
                data = json.encode(data)
            elif type(data) is not bytes:
                if not PyObject_CheckBuffer(data):
                    advice = missing_await(data) or f"use {'send_text' if isinstance(data, str) else 'send_json'}()"
                    raise TypeError(f"send_bytes() takes bytes, not {kind_of(data)}; {advice}")
                data = bytes(memoryview(data))
            channel.send_frame(<EventKind> (self.option & FRAME), PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        drained = channel.drain()
        return None if drained is None else self.wait_for(drained)


register(ReceiveCall, &receive_calls)
register(SendCall, &send_calls)
for function in (
    WebSocketCore.receive_text, WebSocketCore.receive_bytes, WebSocketCore.receive_json,
    WebSocketCore.send_text, WebSocketCore.send_bytes, WebSocketCore.send_json,
):
    mark_coroutine_function(function)
del function
