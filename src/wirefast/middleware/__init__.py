"""Starlette's middleware, one module for each. Each says what it does with WebSockets."""

from starlette.middleware import Middleware

__all__ = ["Middleware"]
