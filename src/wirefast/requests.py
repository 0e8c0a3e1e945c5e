"""Starlette's request classes. `HTTPConnection` is what requests and WebSockets have in common."""

from starlette.requests import HTTPConnection, Request

__all__ = ["HTTPConnection", "Request"]
