"""Starlette's `TestClient` and what its WebSocket sessions give and raise; needs httpx2 when imported."""

from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession

__all__ = ["TestClient", "WebSocketDenialResponse", "WebSocketTestSession"]
