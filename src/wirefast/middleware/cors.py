"""Starlette's `CORSMiddleware`: HTTP only; it checks no WebSocket origin."""

from starlette.middleware.cors import CORSMiddleware

__all__ = ["CORSMiddleware"]
