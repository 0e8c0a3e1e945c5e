"""Starlette's `GZipMiddleware`: HTTP only."""

from starlette.middleware.gzip import GZipMiddleware

__all__ = ["GZipMiddleware"]
