"""Starlette's `TestClient`; needs httpx2 when imported."""

from starlette.testclient import TestClient

__all__ = ["TestClient"]
