"""Starlette's `HTTPSRedirectMiddleware`: redirects ws to wss as well."""

from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware

__all__ = ["HTTPSRedirectMiddleware"]
