"""Starlette's `TrustedHostMiddleware`: checks WebSocket handshakes as well."""

from starlette.middleware.trustedhost import TrustedHostMiddleware

__all__ = ["TrustedHostMiddleware"]
