"""Starlette's `Jinja2Templates`; needs jinja2 when instantiated."""

from starlette.templating import Jinja2Templates

__all__ = ["Jinja2Templates"]
