# cython: annotation_typing=False
"""receive(), receive_text(), receive_bytes() and receive_json() where messages are counted: the methods of
``LimitedWebSocket``. A socket without limits has the methods of websocket.pyx, which do not count.
"""

cimport cython
from cpython.exc cimport PyErr_Clear

from wirefast._core cimport json
from wirefast._core.asgi_socket cimport CONNECTED, DISCONNECTED
from wirefast._core.channel cimport BINARY, CLOSED, NOTHING, TEXT, EventKind, payload_size, payload_text, utf8_of
from wirefast._core.coroutine cimport CompiledCoroutine, Resting, make, mark_coroutine_function, register
from wirefast._core.meter cimport DELAY, DROP, ERROR, PASSES, TOO_LARGE, Allowance, Meter
from wirefast._core.websocket cimport WebSocketCore

import asyncio
from typing import Any

from starlette.websockets import WebSocketDisconnect

from wirefast._core import close
from wirefast._core.errors import LimitExceeded, UnexpectedFrame, blame_peer

cdef extern from "Python.h":
    object PyObject_CallNoArgs(object callable)
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef object CORE_RECEIVE = WebSocketCore.receive
# Seconds after which a receiver that waits for its rate checks its socket again.
cdef double LONGEST_PAUSE = 1.0

cdef enum:             # the option of a receive
    FRAME = 15
    AS_JSON = 16
    WRONG_MODE = 32

cdef enum:             # its phase: what it waits for
    PLAIN              # receive() of the socket, which counts
    PACED              # the time of the next message
    EVENT              # the channel
    MESSAGE            # the ASGI receive callable
    ENDED              # the close message of a limit


cdef Py_ssize_t size_of(object payload) except -1:
    cdef Py_ssize_t size = 0
    if payload is None:
        return 0
    if type(payload) is str:
        if utf8_of(payload, &size) is NULL:  # a lone surrogate, which only another server lets through
            PyErr_Clear()
            size = 3 * len(payload)
        return size
    return len(payload)


cdef object exceeded(WebSocketCore websocket, int verdict):
    cdef Meter meter = websocket.meter
    code, reason = meter.refused(verdict)
    if meter.allowance.on_excess == ERROR and verdict != TOO_LARGE:
        return LimitExceeded(code, reason)
    if websocket.channel is not None:
        websocket.channel.dismiss(code, reason)
        return websocket.closed((code, reason))
    websocket.client = DISCONNECTED
    return WebSocketDisconnect(code, reason)


cdef bint drops(WebSocketCore websocket, int verdict) except -1:
    if websocket.meter.allowance.on_excess != DROP or verdict == TOO_LARGE:
        return False
    websocket.meter.refused(verdict)
    return True


cdef object decode(object text):
    try:
        return json.decode(text)
    except ValueError as exc:
        raise blame_peer(exc, close.MALFORMED_JSON)


cdef Resting receive_calls


cdef MeteredReceive receiving(str name, WebSocketCore websocket, int option):
    return <MeteredReceive> make(&receive_calls, name, websocket, None, option)


cdef int give_meter(WebSocketCore websocket, Meter meter) except -1:
    websocket.meter = meter
    # The shortcuts need not call receive() and send() of this class.
    websocket.patched = False
    websocket.find_channel()
    meter.channel = websocket.channel
    return 0


def meter_of(WebSocketCore websocket not None, bint create):
    """Return the meter of a socket. A socket without one gets a meter without limits if that is asked for, else
    None."""
    if websocket.meter is None and create:
        websocket.meter = Meter(websocket)
    return websocket.meter


def receive_text(self) -> str:
    """Receive the next message, which must be text; see ``WebSocket.receive_text``."""
    return receiving("receive_text", self, TEXT)


def receive_bytes(self) -> bytes:
    """Receive the next message, which must be binary; see ``WebSocket.receive_bytes``."""
    return receiving("receive_bytes", self, BINARY)


def receive_json(self, mode: str = "text") -> Any:
    """Receive the next message, decoded from JSON; see ``WebSocket.receive_json``."""
    cdef int option = TEXT if mode == "text" else BINARY if mode == "binary" else WRONG_MODE
    return receiving("receive_json", self, AS_JSON | option)


def receive(WebSocketCore self not None):
    """Receive the next ASGI message, counted; see ``WebSocket.receive``."""
    return CORE_RECEIVE(self) if self.client != CONNECTED else counted(self)


async def counted(WebSocketCore self):
    """Receive the next message of a connected socket."""
    cdef object message, refusal, payload
    cdef int verdict
    cdef double wait
    if self.meter.at_work:
        self.meter.asks()
    while True:
        wait = self.meter.must_wait()
        while wait > 0.0 and self.application == CONNECTED:
            await asyncio.sleep(min(wait, LONGEST_PAUSE))
            wait = self.meter.must_wait()
        message = await CORE_RECEIVE(self)
        if message["type"] != "websocket.receive":
            return message
        payload = message.get("text")
        verdict = self.meter.take(size_of(message.get("bytes") if payload is None else payload))
        if verdict == PASSES:
            self.meter.at_work = True
            return message
        if drops(self, verdict):
            continue
        refusal = exceeded(self, verdict)
        if isinstance(refusal, LimitExceeded):
            raise refusal
        if self.channel is None:
            await self.send({"type": "websocket.close", "code": refusal.code, "reason": refusal.reason})
        return {"type": "websocket.disconnect", "code": refusal.code, "reason": refusal.reason}


@cython.final
cdef class MeteredReceive(CompiledCoroutine):
    """receive_text(), receive_bytes(), receive_json(), counted."""

    cdef object start(self):
        cdef WebSocketCore websocket = <WebSocketCore> self.owner
        cdef double wait
        if self.option & WRONG_MODE:
            raise RuntimeError('The "mode" argument should be "text" or "binary".')
        websocket.before_receive()
        if websocket.patched or websocket.client != CONNECTED:
            self.phase = PLAIN
            return self.wait_for(websocket.receive())
        if websocket.meter.allowance.on_excess == DELAY:
            wait = websocket.meter.must_wait()
            if wait > 0.0:
                if websocket.meter.at_work:
                    websocket.meter.asks()
                self.phase = PACED
                return self.wait_for(asyncio.sleep(min(wait, LONGEST_PAUSE)))
        if websocket.channel is not None:
            return self.take_event(websocket)
        if websocket.peer_gone:
            self.phase = PLAIN
            return self.wait_for(websocket._receive_last())
        if websocket.meter.at_work:
            websocket.meter.asks()
        self.phase = MESSAGE
        return self.wait_for(PyObject_CallNoArgs(websocket.receive_callable))

    cdef object resume(self, object value):
        cdef WebSocketCore websocket = <WebSocketCore> self.owner
        cdef object payload
        cdef int verdict
        if self.phase == MESSAGE:
            if type(value) is dict and (<dict> value)["type"] == "websocket.receive":
                if self.option & FRAME == TEXT:
                    # Most messages: plain text of a known size.
                    payload = (<dict> value).get("text")
                    if type(payload) is str and PyUnicode_IS_COMPACT_ASCII(payload):
                        verdict = websocket.meter.take(PyUnicode_GET_LENGTH(payload))
                        if verdict != PASSES:
                            return self.refuse(websocket, verdict)
                        websocket.meter.at_work = True
                        return decode(payload) if self.option & AS_JSON else payload
                return self.take_message(websocket, <dict> value)
            # Mostly the end of the socket. It is raised from here: each call in between would add to its traceback.
            value = websocket.checked(value)
            if value["type"] == "websocket.receive":  # it was a mapping of another class, perhaps of a middleware
                return self.take_message(websocket, <dict> value)
        if self.phase == EVENT:
            return self.start() if websocket.channel is None else self.take_event(websocket)
        if self.phase == PACED:
            return self.start()
        if self.phase == ENDED:
            raise self.argument
        payload = websocket.payload(value, "text" if self.option & FRAME == TEXT else "bytes")
        return decode(payload) if self.option & AS_JSON else payload

    cdef object take_event(self, WebSocketCore websocket):
        """Return the payload of the channel's next message within the limits."""
        cdef EventKind kind = NOTHING
        cdef object event
        cdef int verdict
        while True:
            event = websocket.channel.next_event(&kind)
            if kind == NOTHING:
                if websocket.meter.at_work:
                    websocket.meter.asks()
                self.phase = EVENT
                return self.wait_for(websocket.channel.wait())
            if kind == CLOSED:
                raise websocket.closed(event)
            verdict = websocket.meter.take(payload_size(event))
            if verdict == PASSES:
                websocket.meter.at_work = True
                break
            if not drops(websocket, verdict):
                raise exceeded(websocket, verdict)
        if <int> kind != self.option & FRAME:
            raise UnexpectedFrame("text" if self.option & FRAME == TEXT else "bytes")
        if self.option & AS_JSON:
            return decode(event)
        return event if kind == BINARY else payload_text(event)

    cdef object take_message(self, WebSocketCore websocket, dict message):
        """Return the payload of a "websocket.receive" message, or the result of refuse() for one beyond a limit."""
        cdef object value
        cdef int verdict
        cdef bint text = self.option & FRAME == TEXT
        value = message.get("text")
        verdict = websocket.meter.take(size_of(message.get("bytes") if value is None else value))
        if verdict != PASSES:
            return self.refuse(websocket, verdict)
        websocket.meter.at_work = True
        if not text:
            value = message.get("bytes")
        if value is None:
            raise UnexpectedFrame("text" if text else "bytes")
        return decode(value) if self.option & AS_JSON else value

    cdef object refuse(self, WebSocketCore websocket, int verdict):
        """Handle a message beyond a limit. Returns the next message, or the wait for the end of the socket."""
        cdef object refusal
        if drops(websocket, verdict):
            return self.start()
        refusal = exceeded(websocket, verdict)
        if isinstance(refusal, LimitExceeded):
            raise refusal
        self.argument = refusal
        self.phase = ENDED
        return self.wait_for(
            websocket.send({"type": "websocket.close", "code": refusal.code, "reason": refusal.reason})
        )


register(MeteredReceive, &receive_calls)
for function in (receive, receive_text, receive_bytes, receive_json):
    mark_coroutine_function(function)
del function
