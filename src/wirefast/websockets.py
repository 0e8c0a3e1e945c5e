"""WebSocket, its states and its exceptions: the names of ``fastapi.websockets`` and of ``starlette.websockets``."""

from starlette.websockets import WebSocket as _StarletteWebSocket
from starlette.websockets import WebSocketClose as WebSocketClose
from starlette.websockets import WebSocketDisconnect as WebSocketDisconnect
from starlette.websockets import WebSocketState as WebSocketState

try:
    from starlette.websockets import WebSocketDisconnected as WebSocketDisconnected
except ImportError:  # Starlette before it had a name for this
    WebSocketDisconnected = RuntimeError  # type: ignore[assignment,misc]

from wirefast._core.errors import UnexpectedFrame as UnexpectedFrame
from wirefast._core.websocket import WebSocketCore


class WebSocket(WebSocketCore, _StarletteWebSocket):  # type: ignore[misc]
    """One WebSocket connection: Starlette's class with its messages compiled.

    A real subclass of ``starlette.websockets.WebSocket``: ``isinstance`` holds, attributes can be set, and
    everything of ``HTTPConnection`` (``headers``, ``query_params``, ``cookies``, ``state``, ...) is there.

    Args:
        scope: the ASGI scope, of type ``websocket``.
        receive: the ASGI receive callable.
        send: the ASGI send callable.
    """
