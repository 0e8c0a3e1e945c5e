"""The wire: protocols for uvicorn.

``WebSocketProtocol`` is a compiled WebSocket implementation for any ASGI application
(``uvicorn app:app --ws wirefast.server:WebSocketProtocol``); ``HttpProtocol`` bounds the bytes before the upgrade
(``--http wirefast.server:HttpProtocol``).
"""

from wirefast.server.http import HttpProtocol as HttpProtocol
from wirefast.server.protocol import WebSocketProtocol as WebSocketProtocol

__all__ = ["HttpProtocol", "WebSocketProtocol"]
