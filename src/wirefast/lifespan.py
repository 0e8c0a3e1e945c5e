"""Lifespans: made of on_startup and on_shutdown handlers or of generator functions, and those of routers merged."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any

from starlette.types import Lifespan

from wirefast._core.foreign import is_async_callable


class HandlerLifespan(AbstractAsyncContextManager[None]):
    """The lifespan of a router without one: its on_startup and on_shutdown handlers at the time of the start."""

    def __init__(self, on_startup: Sequence[Callable[[], Any]], on_shutdown: Sequence[Callable[[], Any]]) -> None:
        self.on_startup = on_startup
        self.on_shutdown = on_shutdown

    def __call__(self, app: object) -> HandlerLifespan:
        return self

    async def __aenter__(self) -> None:
        await _call_all(self.on_startup)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await _call_all(self.on_shutdown)


async def _call_all(handlers: Sequence[Callable[[], Any]]) -> None:
    for handler in handlers:
        if is_async_callable(handler):
            await handler()
        else:
            handler()


def as_lifespan(lifespan: Any) -> Lifespan[Any]:
    """Return a lifespan that is given as a context manager factory, or as a generator function of either kind."""
    if inspect.isasyncgenfunction(lifespan):
        return asynccontextmanager(lifespan)
    if inspect.isgeneratorfunction(lifespan):
        manager = contextmanager(lifespan)

        @asynccontextmanager
        async def lifted(app: Any) -> AsyncGenerator[Any, None]:
            with manager(app) as state:
                yield state

        return lifted
    return lifespan  # type: ignore[no-any-return]


def merge(outer: Lifespan[Any], inner: Lifespan[Any]) -> Lifespan[Any]:
    """Both, ``outer`` entered first and left last; its state wins where both set a key."""

    @asynccontextmanager
    async def merged(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        async with outer(app) as outer_state, inner(app) as inner_state:
            if outer_state is None and inner_state is None:
                yield None
            else:
                yield {**(inner_state or {}), **(outer_state or {})}

    return merged  # type: ignore[return-value]
