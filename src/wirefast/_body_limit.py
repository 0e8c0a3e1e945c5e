"""The names of FastAPI's private module ``fastapi._body_limit``, for the limits of `wirefast.limits.bodies`."""

from starlette.types import Scope

from wirefast.limits.bodies import _SCOPE_KEY, body_limit_error
from wirefast.limits.bodies import AppBodyLimitMiddleware as AppBodyLimitMiddleware
from wirefast.limits.bodies import first_limit as get_body_size_limit
from wirefast.limits.bodies import limit_body as wrap_app_with_body_limit
from wirefast.limits.bodies import validate_max_body_size as validate_max_body_size

__all__ = [
    "AppBodyLimitMiddleware",
    "get_body_limit_error",
    "get_body_size_limit",
    "validate_max_body_size",
    "wrap_app_with_body_limit",
]

_LIMITED: Scope = {_SCOPE_KEY: None}


def get_body_limit_error(exc: Exception) -> Exception | None:
    """Return the error of an exceeded body limit in ``exc``, which may be a group of such errors; None without one."""
    return body_limit_error(exc, _LIMITED)
