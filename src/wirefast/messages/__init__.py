"""Typed messages: a function for each kind of message, validated from the frame's bytes.

``app.messages(path)`` gives a `Messages`, whose ``on`` declares handlers; ``app.websocket_listener`` and
``app.websocket_stream`` are its short forms. wirefast only.
"""

from wirefast.messages.declaring import HandlerOptions as HandlerOptions
from wirefast.messages.declaring import Messages as Messages
from wirefast.messages.declaring import RouteOptions as RouteOptions
from wirefast.messages.errors import Disconnect as Disconnect
from wirefast.messages.errors import InvalidMessage as InvalidMessage
from wirefast.messages.errors import MessageError as MessageError
