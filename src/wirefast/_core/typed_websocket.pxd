# The typed messages of a WebSocket, over its state machine.

from wirefast._core.websocket cimport ReceiveCall, SendCall, WebSocketCore


cdef class TypedWebSocketCore(WebSocketCore):
    pass


# Subclasses that add no fields: argument is the MessageInput, or the message to send.
cdef class ReceiveMessageCall(ReceiveCall):
    pass


cdef class SendMessageCall(SendCall):
    pass


# JSON of a message for the client: pydantic writes models, with their aliases. Raises as json.encode().
cdef bytes encode_message(object message)
