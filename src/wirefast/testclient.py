"""Starlette's `TestClient` and what its WebSocket sessions give and raise; needs httpx2 when imported."""

from starlette.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse as WebSocketDenialResponse
from starlette.testclient import WebSocketTestSession as WebSocketTestSession

__all__ = ["TestClient"]
