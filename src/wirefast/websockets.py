"""WebSocket, its states and its exceptions. FastAPI's ``fastapi.websockets``."""

from starlette.websockets import WebSocket as _StarletteWebSocket
from starlette.websockets import WebSocketDisconnect as WebSocketDisconnect
from starlette.websockets import WebSocketState as WebSocketState

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
