"""Fan-out: a message is encoded once, framed once, and offered to each socket without waiting for any."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8

from wirefast._core cimport json
from wirefast._core.asgi_socket cimport CONNECTED, CONNECTING
from wirefast._core.channel cimport BINARY, TEXT
from wirefast._core.outbox cimport GONE, QUEUED, SENT, WAIT, find_policy
from wirefast._core.typed_websocket cimport encode_message
from wirefast._core.websocket cimport WebSocketCore

import logging
import weakref

from starlette.websockets import WebSocket

from wirefast._core.sender import Buffered, Sender
from wirefast._core.unicode import utf8

logger = logging.getLogger("wirefast.rooms")

#: Characters of the key of a conflated message.
MAX_KEY = 1024

# What try_send() returns for an outcome; "dropped" for all others.
cdef dict ANSWERS = {SENT: "sent", QUEUED: "queued"}


@cython.final
cdef class OutgoingMessage:
    @property
    def is_text(self):
        """Whether the message is sent in a text frame."""
        return self.kind == TEXT

    def asgi(self):
        """Return a new ``websocket.send`` message."""
        if self.kind == BINARY:
            return {"type": "websocket.send", "bytes": self.data}
        if self.decoded is None:
            self.decoded = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(self.data), PyBytes_GET_SIZE(self.data), NULL)
        return {"type": "websocket.send", "text": self.decoded}

    cdef bytes frame_for(self, Channel channel):
        if channel.takes_packed:
            if not self.was_packed:
                self.packed = channel.packed_frame(self.kind, self.data)
                self.was_packed = True
            # Also for an uncompressed message, which may wait if a compressed message has waited.
            channel.forget_context()
            if self.packed is not None:
                return self.packed
        if self.frame_class is not type(channel):
            self.frame = channel.ready_frame(self.kind, self.data)
            self.frame_class = type(channel)
        return self.frame


cdef OutgoingMessage new_message(EventKind kind, bytes data, str text):
    cdef OutgoingMessage self = OutgoingMessage.__new__(OutgoingMessage)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    self.kind = kind
    self.data = data
    self.decoded = text
    self.size = size + (2 if size < 126 else 4 if size < 65536 else 10)
    return self


def make_message(value):
    """Make the message of a value: a str as text, bytes-like as binary, a model as pydantic does, else as JSON text.

    Raises:
        TypeError: the value has no JSON form.
        ValueError: the value refers to itself.
    """
    if type(value) is OutgoingMessage:
        return value
    if isinstance(value, str):
        encoded = utf8(value)
        return new_message(TEXT, encoded, encoded.decode("utf-8"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return new_message(BINARY, bytes(value), None)
    return new_message(TEXT, json.encode(value) if type(value) is dict else encode_message(value), None)


def received_message(bytes data not None, bint is_text):
    """Make the message that another process sent."""
    return new_message(TEXT if is_text else BINARY, data, None)


def outlet_of(websocket, bint create=True):
    """Return the way to a socket: a Channel, or a Sender, which is made when it is asked for; else None.

    Raises:
        TypeError: no WebSocket of Starlette, FastAPI or wirefast.
    """
    cdef object send
    if isinstance(websocket, WebSocketCore) and (<WebSocketCore> websocket).channel is not None:
        return (<WebSocketCore> websocket).channel
    if not isinstance(websocket, WebSocket):
        raise TypeError(f"expected a WebSocket, not {type(websocket).__name__}")
    send = websocket._send
    if type(send) is not Sender:
        if not create:
            return None
        send = websocket._send = Sender(websocket)
    return send


@cython.final
cdef class RoomMember:
    """One socket in the rooms of a hub."""

    def __init__(self, websocket, outlet):
        self.outlet = outlet
        self.rooms = {}
        if isinstance(outlet, Channel):
            self.channel = outlet
            self.outbox = self.channel.own_outbox()
            self.socket = websocket
        else:
            self.outbox = outlet.outbox
            self.socket = weakref.ref(websocket)

    @property
    def websocket(self):
        """The WebSocket; None if it no longer exists."""
        return self.socket if self.channel is not None else self.socket()

    @property
    def is_open(self):
        return self.channel.is_open() if self.channel is not None else self.outlet.is_open()

    cdef int give(self, OutgoingMessage message, Policy policy, object key, bint first) except -1:
        if self.channel is not None:
            return self.channel.offer(
                message.frame_for(self.channel), PyBytes_GET_SIZE(message.data), policy, key, first
            )
        return self.outlet.offer(message, policy, key, first)

    def offer(self, OutgoingMessage message not None, Policy policy not None, key, bint first):
        """Offer one message. Returns the number of an ``Outcome``."""
        return self.give(message, policy, key, first)

    def dismiss(self, int code, str reason not None):
        """Close the socket from outside of its handler."""
        if self.channel is not None:
            self.channel.dismiss(code, reason)
        else:
            self.outlet.dismiss(code, reason)


@cython.final
cdef class Setback:
    pass


def fan_out(list members not None, OutgoingMessage message not None, Policy policy not None, key, exclude):
    """Offer a message to every member whose outlet is not excluded.

    Returns:
        The number of members that it was sent to or queued for; whether tasks for another server's sockets are to send
        it; the `Setback` of each member that had one, None without any.
    """
    cdef RoomMember member
    cdef Py_ssize_t reached = 0
    cdef int outcome
    cdef list setbacks = None
    cdef Setback setback
    cdef bint by_tasks = False
    cdef unsigned long long dropped, dropped_bytes
    for member in members:
        if exclude is not None and member.outlet in exclude:
            continue
        dropped, dropped_bytes = member.outbox.dropped, member.outbox.dropped_bytes
        try:
            outcome = member.give(message, policy, key, False)
        except Exception:
            logger.exception("Publishing to a WebSocket failed")
            outcome = GONE
        if outcome <= QUEUED:
            reached += 1
            if member.channel is None:
                by_tasks = True
        if outcome > QUEUED or member.outbox.dropped != dropped:
            if setbacks is None:
                setbacks = []
            setback = Setback.__new__(Setback)
            setback.member = member
            setback.outcome = outcome
            setback.dropped = member.outbox.dropped - dropped
            setback.dropped_bytes = member.outbox.dropped_bytes - dropped_bytes
            setbacks.append(setback)
    return reached, by_tasks, setbacks


# ---- For one socket ----


def try_send(WebSocketCore websocket not None, data, policy, key):
    """Implement ``WebSocket.try_send``."""
    cdef Policy found = find_policy(policy)
    cdef OutgoingMessage message = make_message(data)
    cdef object outlet
    cdef int outcome
    if found.rule == WAIT:
        raise ValueError('try_send() does not wait; await send_text() or publish with the policy "wait"')
    check_size(message, found)
    if websocket.application == CONNECTING or websocket.client == CONNECTING:
        raise RuntimeError('WebSocket is not connected. Need to call "accept" first.')
    if websocket.application != CONNECTED:
        return "dropped"
    outlet = outlet_of(websocket)
    key = (None, key)
    if websocket.channel is not None:
        outcome = websocket.channel.offer(
            message.frame_for(websocket.channel), PyBytes_GET_SIZE(message.data), found, key, False
        )
    else:
        outcome = outlet.offer(message, found, key, False)
    return ANSWERS.get(outcome, "dropped")


def buffered(WebSocketCore websocket not None):
    """Implement ``WebSocket.buffered``."""
    cdef object outlet = outlet_of(websocket, False)
    if outlet is None:
        return Buffered(0, 0, 0.0, 0)
    if type(outlet) is Sender:
        outbox, age = outlet.outbox, outlet.waiting_for()
    else:
        outbox, age = websocket.channel.outbox, websocket.channel.waiting_for()
        if outbox is None:
            return Buffered(0, 0, 0.0, 0)
    return Buffered(outbox.count, outbox.size, age, outbox.dropped)


def check_key(key):
    """Return the key of a conflated message: str, int or None of the exact type, which the hubs of other processes can
    read.

    Raises:
        TypeError: the key is of another type.
        ValueError: a str that is too long, or an int of more than 64 bits.
    """
    if key is None:
        return None
    if isinstance(key, str):
        if len(key) > MAX_KEY:
            raise ValueError(f"a key has at most {MAX_KEY} characters, not {len(key)}")
        return utf8(key).decode("utf-8")
    if isinstance(key, int):
        if not -(2**63) <= key < 2**64:
            raise ValueError("a key that is an int has at most 64 bits")
        return int(key)
    raise TypeError(f"a key is a str or an int, not {type(key).__name__}")


def check_size(OutgoingMessage message not None, Policy policy not None):
    """Raise ValueError for a message that is too large for any outbox."""
    if message.size > policy.max_bytes:
        raise ValueError(
            f"a message of {message.size} bytes is larger than what may wait for one socket (max_bytes={policy.max_bytes})"
        )
