# cython: annotation_typing=False
"""receive_message(), iter_messages() and send_message(): receive and send models, from bytes to bytes.

message_input.pyx decides what is valid and what an error says, as for routes of messages.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8

from wirefast._core cimport json
from wirefast._core.asgi_socket cimport CONNECTED
from wirefast._core.channel cimport BINARY, CLOSED, NOTHING, TEXT, Channel, EventKind
from wirefast._core.close cimport CLOSE_NO_CODE, CLOSE_POLICY_VIOLATION
from wirefast._core.coroutine cimport Resting, make, mark_coroutine_function, register
from wirefast._core.message_input cimport MessageInput, input_of
from wirefast._core.websocket cimport (
    CHECKED, EVENT, MESSAGE, ReceiveCall, SendCall, WebSocketCore, receiving, sending,
)

from collections.abc import AsyncIterator
from typing import Any, Literal

from starlette.websockets import WebSocketDisconnect

from wirefast._core import close
from wirefast._core.dumping import dumped
from wirefast._core.message_errors import InvalidMessage

cdef extern from "Python.h":
    object PyObject_CallNoArgs(object callable)


cdef bytes encode_message(object message):
    cdef object serializer = getattr(type(message), "__pydantic_serializer__", None)
    if serializer is None:
        return json.encode(message)
    try:
        return serializer.to_json(message, by_alias=True)
    except ValueError:  # a lone surrogate, or nested too deeply for pydantic
        if not hasattr(message, "model_dump"):
            raise
    return json.encode(dumped(message.model_dump, by_alias=True))


cdef class TypedWebSocketCore(WebSocketCore):
    """A WebSocket that reads and sends typed messages."""

    @classmethod
    def __class_getitem__(cls, sends):
        """Return the class itself: only type checkers use the type of what a socket sends."""
        return cls

    def receive_message(self, model: Any, *, tag: str = "type") -> Any:
        """Receive the next message, text or binary, validated from its bytes. wirefast only.

        Args:
            model: the type of the message: a model, a union of models, or anything else that pydantic validates. ``str``
                and ``bytes`` stand for whole text and binary frames. The validator of a type is made once and kept.
                Make a type with ``Field()`` once too, at the top of a module: each call of ``Field()`` makes another
                type.
            tag: the name of the member that says which model a message has, if each has a ``Literal`` of that name.
                Default: ``"type"``.

        Raises:
            InvalidMessage: no JSON, no known tag, or not valid; a ``ValueError``. The socket stays open, and the next
            call returns the next message. Where no handler takes the exception, the socket is closed with 1008.
            pydantic.PydanticSchemaGenerationError: ``model`` is no type that pydantic validates. Otherwise as
            receive_text().
        """
        return receiving_message(self, input_of(model, tag))

    async def iter_messages(
        self, model: Any, *, tag: str = "type", on_invalid: Literal["reply", "raise", "ignore"] = "reply",
        max_invalid: int = 10,
    ) -> AsyncIterator[Any]:
        """Receive messages until the peer closes, each validated from its bytes. wirefast only.

        Args:
            model, tag: as for ``receive_message``.
            on_invalid: what happens to a message that is not valid: ``"reply"`` answers it with an error, as routes of
                typed messages do, ``"ignore"`` drops it, ``"raise"`` raises ``InvalidMessage``, which ends the loop.
                Default: ``"reply"``.
            max_invalid: how many invalid messages in a row close the socket with 1008, which ends the loop. Default:
                10.

        Raises:
            ValueError: another ``on_invalid``, or ``max_invalid`` below 1. Otherwise as ``receive_message``.
        """
        cdef MessageInput input = input_of(model, tag)
        cdef object message, invalid
        cdef int in_row = 0
        if on_invalid not in ("reply", "raise", "ignore"):
            raise ValueError(f"on_invalid is 'reply', 'raise' or 'ignore', not {on_invalid!r}")
        if type(max_invalid) is not int or not 1 <= max_invalid < 2**31:
            raise ValueError(f"max_invalid is a positive integer, not {max_invalid!r}")
        try:
            while True:
                invalid = None
                try:
                    message = await receiving_message(self, input)
                except InvalidMessage as exc:
                    if on_invalid == "raise":
                        raise
                    invalid = exc
                if invalid is None:
                    in_row = 0
                    yield message
                    message = None
                    continue
                in_row += 1
                invalid = invalid.with_traceback(None)
                if on_invalid == "reply":
                    await self.send_json(invalid.reply(input.tag or tag))
                if in_row >= max_invalid:
                    await self.close(CLOSE_POLICY_VIOLATION, close.TOO_MANY_INVALID)
                    return
        except WebSocketDisconnect:
            pass

    def send_message(self, message: Any) -> None:
        """Send a message as JSON text, from a model straight to bytes, with its aliases. wirefast only.

        Args:
            message: a model, or what ``send_json`` takes. A ``str`` or ``bytes`` is sent unchanged, as one frame.

        Raises:
            TypeError: the value has no JSON form. Otherwise as send_text().
        """
        if isinstance(message, str):
            return sending("send_message", self, message, TEXT)
        if isinstance(message, bytes):
            return sending("send_message", self, message, BINARY)
        return make(&send_calls, "send_message", self, message, TEXT)


cdef Resting receive_calls, send_calls


cdef ReceiveMessageCall receiving_message(WebSocketCore websocket, MessageInput input):
    return <ReceiveMessageCall> make(&receive_calls, "receive_message", websocket, input, TEXT)


@cython.final
cdef class ReceiveMessageCall(ReceiveCall):
    cdef object start(self):
        cdef WebSocketCore websocket = <WebSocketCore> self.owner
        if websocket.meter is not None and websocket.meter.allowance is not None:
            # receive() of such a socket counts messages.
            websocket.before_receive()
            self.phase = CHECKED
            return self.wait_for(websocket.receive())
        return ReceiveCall.start(self)

    cdef object resume(self, object value):
        cdef WebSocketCore websocket = <WebSocketCore> self.owner
        cdef object payload
        if self.phase == EVENT:
            return ReceiveCall.resume(self, value)
        if self.phase == MESSAGE:
            value = websocket.checked(value)
        if value["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(value.get("code", CLOSE_NO_CODE), value.get("reason"))
        payload = value.get("text")
        if payload is not None:
            return (<MessageInput> self.argument).read(payload, TEXT)
        return (<MessageInput> self.argument).read(value["bytes"], BINARY)

    cdef object next_event(self, WebSocketCore websocket):
        cdef EventKind kind = NOTHING
        cdef object event = websocket.channel.next_event(&kind)
        if kind == NOTHING:
            self.phase = EVENT
            return self.wait_for(websocket.channel.wait())
        if kind == CLOSED:
            raise websocket.closed(event)
        return (<MessageInput> self.argument).read(event, kind)


@cython.final
cdef class SendMessageCall(SendCall):
    cdef dict message(self):
        cdef bytes data = encode_message(self.argument)
        return {
            "type": "websocket.send",
            "text": PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), NULL),
        }

    cdef object write(self, Channel channel):
        cdef bytes data = encode_message(self.argument)
        channel.send_frame(TEXT, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        cdef object drained = channel.drain()
        return None if drained is None else self.wait_for(drained)


register(ReceiveMessageCall, &receive_calls)
register(SendMessageCall, &send_calls)
mark_coroutine_function(TypedWebSocketCore.receive_message)
mark_coroutine_function(TypedWebSocketCore.send_message)
