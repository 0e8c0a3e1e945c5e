"""Lifespans: made of on_startup and on_shutdown handlers or of generator functions, and those of routers merged."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Protocol

from starlette.types import Lifespan

from wirefast._core.foreign import is_async_callable


class Started(Protocol):
    """What a router gives to its `HandlerLifespan`."""

    async def _startup(self) -> None: ...
    async def _shutdown(self) -> None: ...


class HandlerLifespan(AbstractAsyncContextManager[None]):
    """The lifespan of a router without one: what its ``_startup()`` and ``_shutdown()`` do.

    FastAPI's ``routing._DefaultLifespan``.
    """

    def __init__(self, router: Started) -> None:
        self.router = router

    def __call__(self, app: object) -> HandlerLifespan:
        return self

    async def __aenter__(self) -> None:
        await self.router._startup()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.router._shutdown()


async def call_all(handlers: Sequence[Callable[[], Any]]) -> None:
    """Call each handler, and await those that are coroutine functions."""
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
    """Both, ``outer`` entered first and left last; its state wins if both set a key."""

    @asynccontextmanager
    async def merged(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        async with outer(app) as outer_state, inner(app) as inner_state:
            if outer_state is None and inner_state is None:
                yield None
            else:
                yield {**(inner_state or {}), **(outer_state or {})}

    return merged  # type: ignore[return-value]
