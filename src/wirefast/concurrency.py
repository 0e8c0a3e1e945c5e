"""Threads, context managers and concurrency limits of dependencies.

Starlette's thread helpers, and four helpers of the solver: a sync context manager run in threads, an async one whose
exit cannot be cancelled, one held under a semaphore, and the semaphore for ``max_concurrency``. The context managers
are classes, which cost less than ``@asynccontextmanager`` generators: they are entered once per connection.
"""

from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from anyio import CancelScope, CapacityLimiter, Semaphore, to_thread
from anyio.lowlevel import RunVar, checkpoint_if_cancelled
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool, run_until_first_complete

__all__ = [
    "DependencyConcurrency",
    "asynccontextmanager",
    "contextmanager_in_threadpool",
    "iterate_in_threadpool",
    "limited",
    "run_in_threadpool",
    "run_until_first_complete",
    "shielded_exit",
]

_T_co = TypeVar("_T_co", covariant=True)


def contextmanager_in_threadpool(
    cm: AbstractContextManager[_T_co, bool | None],
) -> AbstractAsyncContextManager[_T_co, bool | None]:
    """``cm`` as an async context manager whose ``__enter__`` and ``__exit__`` run in worker threads.

    The exit has a thread of its own and is shielded from cancellation, so that what was acquired is released even
    when all threads of the default limiter wait for it. FastAPI: ``fastapi.concurrency.contextmanager_in_threadpool``.
    """
    return _InThreadpool(cm)


def shielded_exit(
    cm: AbstractAsyncContextManager[_T_co, bool | None], cleanup_scope: CancelScope
) -> AbstractAsyncContextManager[_T_co, bool | None]:
    """``cm`` with an exit that runs to its end even when the surrounding task is cancelled.

    ``cleanup_scope`` is an entered cancel scope around ``cm``: it is shielded while ``cm`` exits, then put back as it
    was. A cancellation that came meanwhile is delivered after a clean exit.
    """
    return _ShieldedExit(cm, cleanup_scope)


def limited(
    cm: AbstractAsyncContextManager[_T_co, bool | None], semaphore: Semaphore
) -> AbstractAsyncContextManager[_T_co, bool | None]:
    """``cm``, entered once ``semaphore`` is free and holding it until ``cm`` has exited."""
    return _Limited(cm, semaphore)


class DependencyConcurrency:
    """The limit a ``Depends(..., max_concurrency=n)`` stands for: one semaphore per event loop.

    Args:
        max_concurrency: how many calls may run at once, at least 1.

    Two declarations with equal limits are two limits; compared and hashed by identity.
    """

    def __init__(self, max_concurrency: int) -> None:
        self.max_concurrency = max_concurrency

    def get_semaphore(self) -> Semaphore:
        """Return the running event loop's semaphore, made at first use and dropped with this object or the loop."""
        semaphores = _semaphores.get(None)
        if semaphores is None:
            semaphores = WeakKeyDictionary()
            _semaphores.set(semaphores)
        semaphore = semaphores.get(self)
        if semaphore is None:
            semaphore = semaphores[self] = Semaphore(self.max_concurrency)
        return semaphore


_semaphores: RunVar[WeakKeyDictionary[DependencyConcurrency, Semaphore]] = RunVar("wirefast_dependency_semaphores")


class _InThreadpool(AbstractAsyncContextManager[_T_co, bool | None], Generic[_T_co]):
    def __init__(self, cm: AbstractContextManager[_T_co, bool | None]) -> None:
        self._cm = cm

    async def __aenter__(self) -> _T_co:
        return await run_in_threadpool(self._cm.__enter__)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        with CancelScope(shield=True):
            swallowed = await to_thread.run_sync(
                self._cm.__exit__, exc_type, exc, traceback, limiter=CapacityLimiter(1)
            )
        return bool(swallowed)


class _ShieldedExit(AbstractAsyncContextManager[_T_co, bool | None], Generic[_T_co]):
    def __init__(self, cm: AbstractAsyncContextManager[_T_co, bool | None], cleanup_scope: CancelScope) -> None:
        self._cm = cm
        self._scope = cleanup_scope
        self._was_shielded = False

    async def __aenter__(self) -> _T_co:
        self._was_shielded = self._scope.shield
        return await self._cm.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._scope.shield = True
        try:
            swallowed = bool(await self._cm.__aexit__(exc_type, exc, traceback))
        finally:
            self._scope.shield = self._was_shielded
        if swallowed or exc_type is None:
            await checkpoint_if_cancelled()
        return swallowed


class _Limited(AbstractAsyncContextManager[_T_co, bool | None], Generic[_T_co]):
    def __init__(self, cm: AbstractAsyncContextManager[_T_co, bool | None], semaphore: Semaphore) -> None:
        self._cm = cm
        self._semaphore = semaphore

    async def __aenter__(self) -> _T_co:
        await self._semaphore.acquire()
        try:
            return await self._cm.__aenter__()
        except BaseException:
            self._semaphore.release()
            raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            return bool(await self._cm.__aexit__(exc_type, exc, traceback))
        finally:
            self._semaphore.release()
