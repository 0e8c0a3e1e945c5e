"""`wirefast.concurrency`: beside FastAPI's where it has the same, on asyncio and trio."""

import contextlib
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import fastapi.concurrency as oracle
import pytest
from anyio import to_thread

from wirefast import concurrency

pytestmark = pytest.mark.anyio

ENTER = {
    "ours": concurrency.contextmanager_in_threadpool,
    "fastapi": oracle.contextmanager_in_threadpool,
}
SHIELD = {"ours": concurrency.shielded_exit, "fastapi": oracle._asynccontextmanager_with_shielded_exit}
LIMIT = {"ours": concurrency.limited, "fastapi": oracle._contextmanager_with_concurrency_limit}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("name", [name for name in concurrency.__all__ if hasattr(oracle, name)])
def test_names_exist_as_in_fastapi(name: str) -> None:
    if name != "contextmanager_in_threadpool":
        assert getattr(concurrency, name) is getattr(oracle, name)


@pytest.mark.parametrize("impl", ENTER)
async def test_threads_enter_and_exit(impl: str) -> None:
    seen: list[int] = []

    @contextlib.contextmanager
    def resource() -> Iterator[str]:
        seen.append(threading.get_ident())
        yield "value"
        seen.append(threading.get_ident())

    async with ENTER[impl](resource()) as value:
        assert value == "value"
    assert len(seen) == 2
    assert threading.get_ident() not in seen


@pytest.mark.parametrize("impl", ENTER)
@pytest.mark.parametrize("kind", [ValueError, StopIteration, StopAsyncIteration, KeyboardInterrupt])
async def test_exceptions_reach_the_generator(impl: str, kind: type[BaseException]) -> None:
    raised = kind("text")
    seen: list[BaseException] = []

    @contextlib.contextmanager
    def resource() -> Iterator[None]:
        try:
            yield
        except BaseException as exc:
            seen.append(exc)
            raise

    with pytest.raises(kind) as caught:
        async with ENTER[impl](resource()):
            raise raised
    assert seen == [raised]
    assert caught.value is raised


@pytest.mark.parametrize("impl", ENTER)
async def test_exit_may_swallow_or_convert(impl: str) -> None:
    @contextlib.contextmanager
    def resource(convert: bool) -> Iterator[None]:
        try:
            yield
        except ValueError as exc:
            if convert:
                raise KeyError("converted") from exc

    async with ENTER[impl](resource(False)):
        raise ValueError
    with pytest.raises(KeyError, match="converted") as caught:
        async with ENTER[impl](resource(True)):
            raise ValueError
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("impl", ENTER)
async def test_failed_enter_is_not_exited(impl: str) -> None:
    class Resource:
        exits = 0

        def __enter__(self) -> None:
            raise ValueError("no")

        def __exit__(self, *exc_info: object) -> None:
            self.exits += 1

    resource: Any = Resource()
    with pytest.raises(ValueError, match="no"):
        async with ENTER[impl](resource):
            pass
    assert resource.exits == 0


@pytest.mark.parametrize("impl", ENTER)
async def test_exit_needs_no_free_thread(impl: str) -> None:
    left = threading.Event()

    @contextlib.contextmanager
    def resource() -> Iterator[None]:
        yield
        left.set()

    limiter = to_thread.current_default_thread_limiter()
    held = [object() for _ in range(int(limiter.total_tokens))]
    context = ENTER[impl](resource())
    await context.__aenter__()
    for holder in held:
        limiter.acquire_on_behalf_of_nowait(holder)
    try:
        with anyio.fail_after(5):
            await context.__aexit__(None, None, None)
    finally:
        for holder in held:
            limiter.release_on_behalf_of(holder)
    assert left.is_set()


@pytest.mark.parametrize("impl", ENTER)
async def test_thread_exit_survives_cancellation(impl: str) -> None:
    left = threading.Event()

    @contextlib.contextmanager
    def resource() -> Iterator[None]:
        try:
            yield
        finally:
            left.set()

    with anyio.CancelScope() as scope:
        async with ENTER[impl](resource()):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert left.is_set()


class Log:
    """An async context manager that writes down what happens to it."""

    def __init__(self, *, swallow: bool = False, fail: bool = False, fail_enter: bool = False) -> None:
        self.events: list[Any] = []
        self.swallow, self.fail, self.fail_enter = swallow, fail, fail_enter

    async def __aenter__(self) -> "Log":
        if self.fail_enter:
            raise LookupError("enter")
        self.events.append("enter")
        return self

    async def __aexit__(self, kind: Any, exc: Any, traceback: Any) -> bool:
        await anyio.lowlevel.checkpoint()
        self.events.append(("exit", getattr(kind, "__name__", None)))
        if self.fail:
            raise LookupError("exit")
        return self.swallow


@pytest.mark.parametrize("impl", SHIELD)
@pytest.mark.parametrize("was_shielded", [False, True])
@pytest.mark.parametrize("body", [None, ValueError])
@pytest.mark.parametrize("arguments", [{}, {"swallow": True}, {"fail": True}, {"fail_enter": True}], ids=str)
async def test_shielded_exit(impl: str, was_shielded: bool, body: type[Exception] | None, arguments: Any) -> None:
    async def run(wrap: Any) -> tuple[list[Any], str, bool]:
        log, outcome = Log(**arguments), "returned"
        with anyio.CancelScope(shield=was_shielded) as scope:
            try:
                async with wrap(log, scope) as value:
                    assert value is log
                    assert scope.shield is was_shielded
                    if body is not None:
                        raise body("text")
            except Exception as exc:
                outcome = repr(exc)
        return log.events, outcome, scope.shield

    events, outcome, shield = await run(SHIELD[impl])
    assert shield is was_shielded
    assert (events, outcome) == (await run(SHIELD["fastapi"]))[:2]


@pytest.mark.parametrize("impl", SHIELD)
@pytest.mark.parametrize("swallow", [False, True])
async def test_exit_completes_when_cancelled(impl: str, swallow: bool) -> None:
    log = Log(swallow=swallow)
    after = False
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as scope:
            async with SHIELD[impl](log, scope):
                outer.cancel()
                await anyio.sleep_forever()
            after = True
    assert outer.cancelled_caught
    assert len(log.events) == 2
    assert not after


@pytest.mark.parametrize("impl", SHIELD)
async def test_waiting_cancellation_is_delivered_after_a_clean_exit(impl: str) -> None:
    log = Log()
    after = False
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as scope:
            async with SHIELD[impl](log, scope):
                outer.cancel()
            after = True
    assert log.events == ["enter", ("exit", None)]
    assert not after


@pytest.mark.parametrize("impl", LIMIT)
@pytest.mark.parametrize("arguments", [{}, {"swallow": True}, {"fail": True}, {"fail_enter": True}], ids=str)
@pytest.mark.parametrize("body", [None, ValueError])
async def test_limited_holds_until_exit(impl: str, arguments: Any, body: type[Exception] | None) -> None:
    async def run(wrap: Any) -> tuple[list[Any], str, int]:
        semaphore, log, outcome = anyio.Semaphore(1), Log(**arguments), "returned"
        try:
            async with wrap(log, semaphore) as value:
                assert value is log
                assert semaphore.value == 0
                if body is not None:
                    raise body("text")
        except Exception as exc:
            outcome = repr(exc)
        return log.events, outcome, semaphore.value

    result = await run(LIMIT[impl])
    assert result == await run(LIMIT["fastapi"])
    assert result[2] == 1


async def test_limited_waits_its_turn() -> None:
    semaphore = anyio.Semaphore(1)
    inside: list[str] = []
    entered, leave = anyio.Event(), anyio.Event()

    @contextlib.asynccontextmanager
    async def resource(name: str) -> AsyncIterator[None]:
        inside.append(name)
        yield
        inside.remove(name)

    async def first() -> None:
        async with concurrency.limited(resource("first"), semaphore):
            entered.set()
            await leave.wait()

    async def second() -> None:
        await entered.wait()
        async with concurrency.limited(resource("second"), semaphore):
            assert inside == ["second"]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        tasks.start_soon(second)
        await entered.wait()
        await anyio.wait_all_tasks_blocked()
        assert inside == ["first"]
        leave.set()
    assert inside == []


async def test_one_semaphore_per_limit() -> None:
    limit, other = concurrency.DependencyConcurrency(2), concurrency.DependencyConcurrency(2)
    semaphore = limit.get_semaphore()
    assert semaphore.value == 2
    assert limit.get_semaphore() is semaphore
    assert other.get_semaphore() is not semaphore


def test_one_semaphore_per_event_loop() -> None:
    limit = concurrency.DependencyConcurrency(1)

    async def semaphore() -> anyio.Semaphore:
        return limit.get_semaphore()

    first, second = anyio.run(semaphore), anyio.run(semaphore)
    assert first is not second


async def test_semaphore_is_dropped_with_its_limit() -> None:
    limit = concurrency.DependencyConcurrency(1)
    gone = weakref.ref(limit.get_semaphore())
    del limit
    gc.collect()
    assert gone() is None
