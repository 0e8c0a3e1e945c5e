"""Starlette's `StaticFiles`."""

from starlette.staticfiles import StaticFiles

__all__ = ["StaticFiles"]
