"""The seconds of handlers of typed messages, if metrics are on when the routes are frozen."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from wirefast.messages.handlers import Handler
from wirefast.metrics import counters
from wirefast.metrics.catalogue import FAMILIES

__all__ = ["measured"]


def measured(handler: Handler, path: str) -> Handler:
    """Return a handler with timed calls; the handler itself if metrics are off.

    Args:
        handler: a handler of messages.
        path: the declared path of its route.
    """
    if not counters.is_on():
        return handler
    histogram = FAMILIES["wirefast_handler_seconds"].of(path, _type_of(handler))
    call = _timed(handler.call, handler.kind, histogram)
    return replace(handler, call=call, dependant=replace(handler.dependant, call=call))


def _type_of(handler: Handler) -> str:
    """Return the tags of a handler's messages as one label; the handler's role if messages have none."""
    if handler.tags:
        return ",".join(str(tag, "utf-8").strip('"') for tag in handler.tags)
    return handler.declared.role or getattr(handler.declared.call, "__name__", "other")


def _timed(call: Callable[..., Any], kind: str, histogram: Any) -> Callable[..., Any]:
    if kind == "coroutine":

        @functools.wraps(call)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await call(*args, **kwargs)
            finally:
                histogram.observe(time.perf_counter() - began)

        return coroutine
    if kind == "async generator":

        @functools.wraps(call)
        async def generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            began = time.perf_counter()
            try:
                # An end that comes at a yield ends the handler before its dependencies, as when nothing is timed.
                async with aclosing(call(*args, **kwargs)) as items:
                    async for item in items:
                        yield item
            finally:
                histogram.observe(time.perf_counter() - began)

        return generator

    @functools.wraps(call)
    def function(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            histogram.observe(time.perf_counter() - began)

    return function
