"""End generator dependencies after an exception. ``_core.solver``, which is compiled, ends them without one."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack, asynccontextmanager
from inspect import isasyncgen
from types import TracebackType
from typing import Any

from anyio import CancelScope

from wirefast._core.foreign import task_states


def inside_cancel_scope() -> bool:
    """Whether an anyio cancel scope encloses the running task, so that clean-up needs a shield.

    True if that is unknown: under trio, or with an anyio of other internals.
    """
    if task_states is None:
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True
    state = None if task is None else task_states.get(task)
    return state is not None and state.cancel_scope is not None


async def unwind(exc: BaseException, entered: list[Any]) -> bool:
    """Throw ``exc`` into the entered generators, last first, and empty the list.

    Args:
        exc: the exception in flight.
        entered: asynchronous generators stopped at their yield, and context managers, in order of entry.

    Returns:
        True when one of them swallowed the exception.

    Raises:
        BaseException: what a generator raised instead.
    """
    stack = AsyncExitStack()
    for item in entered:
        if isasyncgen(item):
            stack.push_async_exit(_started(item))
        elif hasattr(type(item), "__aexit__"):
            stack.push_async_exit(item)
        else:
            stack.push(item)
    entered.clear()
    traceback = exc.__traceback__
    try:
        return bool(await stack.__aexit__(type(exc), exc, traceback))
    except BaseException as raised:
        raised.__traceback__ = _without_contextlib(raised.__traceback__)
        raise raised
    finally:
        # On Python 3.10 contextlib leaves frames there that hold the exception: a cycle for each failed connection.
        exc.__traceback__ = traceback


def _without_contextlib(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback without the frames of the exit stack, which hold the exception and themselves: cycles."""
    kept: list[TracebackType] = []
    while traceback is not None:
        if traceback.tb_frame.f_globals is vars(contextlib):
            traceback.tb_frame.clear()
        else:
            kept.append(traceback)
        traceback = traceback.tb_next
    for one, following in zip(kept, [*kept[1:], None], strict=True):
        one.tb_next = following
    return kept[0] if kept else None


def _started(generator: Any) -> Any:
    """Return a context manager that is already inside its block, at the generator's yield."""
    return asynccontextmanager(lambda: generator)()


async def shielded(awaitable: Any) -> Any:
    """Await something without cancellation by the cancel scopes around this code."""
    with CancelScope(shield=True):
        return await awaitable
