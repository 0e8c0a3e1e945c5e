"""Starlette's `WSGIMiddleware`: HTTP only, and deprecated by Starlette."""

from starlette.middleware.wsgi import WSGIMiddleware

__all__ = ["WSGIMiddleware"]
