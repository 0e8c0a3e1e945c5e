"""Limits of HTTP bodies: bytes of a body, fields and files of a form.

A body limit is Starlette's ``RequestBodyLimitMiddleware``. The innermost limit that is set counts. A larger body is
answered with 413, by the exception handlers if the response has not begun.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from pydantic import ConfigDict, NonNegativeInt, TypeAdapter, with_config
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import TypedDict

from wirefast._core import scope as keys
from wirefast.exception_handlers import http_exception_handler

try:
    from starlette.middleware import body_limit as _starlette
except ImportError:  # a Starlette without body limits
    _starlette = None  # type: ignore[assignment]

__all__ = [
    "AppBodyLimitMiddleware",
    "FormLimits",
    "body_limit_error",
    "first_limit",
    "inherit_form_limits",
    "inherited_form_limits",
    "limit_body",
    "limit_included",
    "validate_form_limits",
    "validate_max_body_size",
]

# FastAPI's own key in the scope, so that applications of both can be mounted in each other.
_FORM_LIMITS_PLACE = keys.SHARED
_SCOPE_KEY: str = getattr(_starlette, "MAX_BODY_SIZE_SCOPE_KEY", keys.MAX_BODY_SIZE)
# Starlette raises this when it notices the limit while a response is sent; Starlette has answered 413 itself then.
_ANSWERED: tuple[type[Exception], ...] = tuple(
    filter(None, [getattr(_starlette, "_RequestBodyLimitResponseSent", None)])
)
_EXCEEDED = _ANSWERED + tuple(filter(None, [getattr(_starlette, "_RequestBodyTooLarge", None)]))
# Python 3.10 has no exception groups; anyio installs the backport there.
if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup


@with_config(ConfigDict(strict=True, extra="forbid"))
class FormLimits(TypedDict, total=False):
    """``max_fields`` and ``max_files`` (each 1000 by default), ``max_part_size`` in bytes (1 MiB by default)."""

    max_fields: NonNegativeInt
    max_files: NonNegativeInt
    max_part_size: NonNegativeInt


@cache
def _form_limits() -> TypeAdapter[FormLimits]:
    """Make the validator of form limits once, for the first application that sets some."""
    return TypeAdapter(FormLimits)


def validate_form_limits(limits: Any) -> FormLimits:
    """Return ``limits``, or an empty dict for None.

    Raises:
        pydantic.ValidationError: another key, or a value that is no int or negative.
    """
    return {} if limits is None else _form_limits().validate_python(limits)


def inherit_form_limits(scope: Scope, limits: FormLimits) -> None:
    """Note ``limits`` for the routes of a connection, and of mounted applications, that set none of their own."""
    shared = scope.setdefault(_FORM_LIMITS_PLACE, {})
    shared["form_limits"] = {**shared.get("form_limits", {}), **limits}


def inherited_form_limits(scope: Scope) -> FormLimits:
    """Return the limits that `inherit_form_limits`, or a FastAPI application around this one, noted in the scope."""
    limits: FormLimits = scope.get(_FORM_LIMITS_PLACE, {}).get("form_limits", {})
    return limits


def validate_max_body_size(max_body_size: Any) -> None:
    """Refuse a limit that is not a number of bytes.

    Raises:
        ValueError: neither None nor an int of at least 0.
        RuntimeError: the installed Starlette has no body limits.
    """
    if max_body_size is None:
        return
    if isinstance(max_body_size, bool) or not isinstance(max_body_size, int) or max_body_size < 0:
        raise ValueError("max_body_size must be a non-negative integer or None")
    if _starlette is None:
        raise RuntimeError("max_body_size needs a newer Starlette, with starlette.middleware.body_limit")


def first_limit(*limits: int | None) -> int | None:
    """Return the innermost limit: the first that is not None."""
    return next((limit for limit in limits if limit is not None), None)


def limit_body(app: ASGIApp, max_body_size: int | None) -> ASGIApp:
    """Return ``app`` behind a limit of so many bytes; ``app`` itself for None."""
    if max_body_size is None:
        return app
    return _starlette.RequestBodyLimitMiddleware(_Ungrouped(app), max_body_size=max_body_size)


def body_limit_error(exc: BaseException, scope: Scope) -> Exception | None:
    """Return the error of an exceeded limit: ``exc`` itself, or the error in a group of only such errors."""
    if _SCOPE_KEY not in scope:
        return None
    if isinstance(exc, ExceptionGroup):
        _, other = exc.split(_EXCEEDED)
        if other is not None:
            return None
        exc = exc.subgroup(_ANSWERED) or exc
        while isinstance(exc, ExceptionGroup):
            exc = exc.exceptions[0]
    return exc if isinstance(exc, Exception) and isinstance(exc, _EXCEEDED) else None


def limit_included(app: ASGIApp, max_body_size: int | None, form_limits: FormLimits) -> ASGIApp:
    """Return a plain route, mount or host of an included router behind the limits of its includes."""
    return limit_body(_WithFormLimits(app, form_limits) if form_limits else app, max_body_size)


class _WithFormLimits:
    def __init__(self, app: ASGIApp, form_limits: FormLimits) -> None:
        self.app = app
        self.form_limits = form_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            inherit_form_limits(scope, self.form_limits)
        await self.app(scope, receive, send)


class _Ungrouped:
    """Takes the error out of the exception groups of task groups, so that Starlette recognises it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except ExceptionGroup as exc:
            if scope["type"] == "http" and (error := body_limit_error(exc, scope)):
                raise error from exc
            raise


class AppBodyLimitMiddleware:
    """The limit of a whole application, and the answer to a larger body outside of the exception handlers.

    Args:
        app: the application.
        max_body_size: bytes; None if only routes and routers have limits.
    """

    def __init__(self, app: ASGIApp, max_body_size: int | None) -> None:
        self.app = limit_body(app, max_body_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _SCOPE_KEY not in scope:
            await self.app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as exc:
            error = body_limit_error(exc, scope)
            if started or not isinstance(error, HTTPException):
                raise
            response = await http_exception_handler(Request(scope, receive), error)
            await response(scope, receive, send)
