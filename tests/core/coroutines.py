"""What the tests of compiled coroutines share: an accepted WebSocket outside an event loop, and a bare yield."""

import types

from asgi import websocket_scope
from wirefast.websockets import WebSocket


@types.coroutine
def give(value):
    """Yield a value to whoever drives the coroutine, and return the value that was sent back."""
    return (yield value)


def accepted(receive=None, send=None):
    """An accepted WebSocket outside an event loop."""
    websocket = WebSocket(websocket_scope(), receive, send)
    websocket.client_state = websocket.application_state = type(websocket.client_state).CONNECTED
    return websocket


def closed(coroutine):
    """Close a coroutine and return it."""
    coroutine.close()
    return coroutine
