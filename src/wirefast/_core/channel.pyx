"""The interface that a server protocol implements, and the ASGI callables over it.

``Channel`` is one WebSocket for the core: events in, frames out, without a dict or a queue for each message.
``AsgiReceive`` and ``AsgiSend`` offer the same as ASGI messages (ASGI 3, WebSocket spec version 2.4), so any
application runs on a protocol that implements ``Channel``. Code that recognises the two callables (they carry their
``channel``) may use the channel without ASGI messages.
"""

cimport cython
from cpython.buffer cimport Py_buffer, PyBuffer_Release, PyBUF_SIMPLE, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear
from cpython.unicode cimport PyUnicode_FromObject

from wirefast._core.close cimport CLOSE_NORMAL
from wirefast._core.instant cimport monotonic

from operator import index

from wirefast._core.coroutine import kind_of, missing_await
from wirefast._core.error_list import refusal_of_errors
from wirefast._core.unicode import well_formed


cdef class Channel:
    """Base of the protocols, which override every method that the .pxd marks "protocol"."""

    cdef object next_event(self, EventKind* kind):
        raise NotImplementedError

    cdef object wait(self):
        raise NotImplementedError

    cdef bint has_unread(self) noexcept:
        return False

    cdef double taken_until(self) noexcept:
        return monotonic()

    cdef bint is_open(self) noexcept:
        return False

    cdef int accept(self, object subprotocol, object headers) except -1:
        raise NotImplementedError

    cdef int send_frame(self, EventKind kind, const char* data, Py_ssize_t size) except -1:
        raise NotImplementedError

    cdef object drain(self):
        raise NotImplementedError

    cdef int close(self, int code, str reason) except -1:
        raise NotImplementedError

    cdef bytes ready_frame(self, EventKind kind, bytes data):
        raise NotImplementedError

    cdef bytes packed_frame(self, EventKind kind, bytes data):
        raise NotImplementedError

    cdef int forget_context(self) except -1:
        raise NotImplementedError

    cdef int offer(self, bytes frame, Py_ssize_t size, Policy policy, object key, bint first) except -1:
        raise NotImplementedError

    cdef int dismiss(self, int code, str reason) except -1:
        raise NotImplementedError

    cdef double waiting_for(self) except? -1.0:
        raise NotImplementedError

    cdef object send_other(self, dict message):
        raise NotImplementedError

    cdef Outbox own_outbox(self):
        if self.outbox is None:
            self.outbox = Outbox()
        return self.outbox


cdef object repaired(object text, bint in_event):
    PyErr_Clear()
    if isinstance(text, str):
        return well_formed(text)
    kind = kind_of(text)
    if in_event:
        raise TypeError(f'"text" of websocket.send takes a str, not {kind}')
    advice = missing_await(text) or f"use {'send_bytes' if PyObject_CheckBuffer(text) else 'send_json'}()"
    raise TypeError(f"send_text() takes a str, not {kind}; {advice}")


@cython.final
cdef class AsgiReceive:
    """The ``receive`` of an ASGI WebSocket application.

    Awaiting a call gives ``websocket.connect`` once, then ``websocket.receive`` for each message and
    ``websocket.disconnect`` for ever after the end. A cancelled call loses no message.
    """

    def __cinit__(self, Channel channel not None):
        self.channel = channel

    cdef dict message(self):
        """Return the next ASGI message, or None while there is none."""
        cdef EventKind kind = NOTHING
        cdef object payload
        if not self.channel.connect_taken:
            self.channel.connect_taken = True
            return {"type": "websocket.connect"}
        payload = self.channel.next_event(&kind)
        if kind == TEXT:
            return {"type": "websocket.receive", "text": payload_text(payload)}
        if kind == BINARY:
            return {"type": "websocket.receive", "bytes": payload}
        if kind == CLOSED:
            if payload[1] is None:
                return {"type": "websocket.disconnect", "code": payload[0]}
            return {"type": "websocket.disconnect", "code": payload[0], "reason": payload[1]}
        return None

    async def __call__(self):
        cdef dict message = self.message()
        while message is None:
            await self.channel.wait()
            message = self.message()
        return message


@cython.final
cdef class AsgiSend:
    """The ``send`` of an ASGI WebSocket application.

    Raises OSError (also in later calls) after the peer has left, ValueError for a header or subprotocol that must not
    be sent, RuntimeError for a message that the state of the connection does not allow.
    """

    def __cinit__(self, Channel channel not None):
        self.channel = channel

    cdef int send_data(self, dict message) except -1:
        cdef Py_buffer view
        cdef Py_ssize_t size = 0
        cdef const char* text
        cdef object data = message.get("bytes")
        if data is not None:
            if type(data) is bytes:
                return self.channel.send_frame(BINARY, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            if not PyObject_CheckBuffer(data):
                raise TypeError(f'"bytes" of websocket.send takes bytes, not {type(data).__name__}')
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            try:
                return self.channel.send_frame(BINARY, <const char*> view.buf, view.len)
            finally:
                PyBuffer_Release(&view)
        data = message.get("text")
        if data is None:
            raise KeyError("websocket.send needs 'bytes' or 'text'")
        text = utf8_of(data, &size)
        if text is NULL:
            data = repaired(data, True)
            text = utf8_of(data, &size)
        return self.channel.send_frame(TEXT, text, size)

    cdef int close(self, object code, object reason) except -1:
        cdef int number = CLOSE_NORMAL
        if code is not None:
            try:
                number = code if type(code) is int else index(code)
            except TypeError:
                raise TypeError(f'"code" of websocket.close takes an int, not {type(code).__name__}') from None
            except OverflowError:
                raise ValueError(f"{code} is not a close code") from None
        if not reason:
            reason = ""
        elif type(reason) is list:
            reason = refusal_of_errors(self.channel, reason)
        elif not isinstance(reason, str):
            raise TypeError(f'"reason" of websocket.close takes a str, not {type(reason).__name__}')
        return self.channel.close(number, PyUnicode_FromObject(reason))

    cdef object dispatch(self, dict message):
        """Execute the message. Returns an awaitable if the caller has to wait, else None."""
        cdef object kind = message["type"]
        if kind == "websocket.send":
            self.send_data(message)
            return self.channel.drain()
        if kind == "websocket.accept":
            self.channel.accept(message.get("subprotocol"), message.get("headers") or ())
        elif kind == "websocket.close":
            self.close(message.get("code"), message.get("reason"))
        else:
            return self.channel.send_other(message)
        return None

    async def __call__(self, message):
        waiting = self.dispatch(message)
        if waiting is not None:
            await waiting
