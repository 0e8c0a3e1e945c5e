"""Leaving when something went wrong: which connections need a shield, and the order in which generators hear of it."""

import asyncio
import collections
import gc
import sys
import traceback
import weakref
from contextlib import asynccontextmanager, contextmanager

import anyio
import pytest
import trio

from wirefast._core import exits
from wirefast._core.exits import inside_cancel_scope, unwind


def test_a_bare_asyncio_task_is_not_enclosed():
    async def main():
        assert not inside_cancel_scope()
        assert not await asyncio.create_task(asyncio.sleep(0, inside_cancel_scope()))

    asyncio.run(main())


def test_an_anyio_scope_encloses():
    async def main():
        with anyio.CancelScope():
            assert inside_cancel_scope()
        assert not inside_cancel_scope()
        seen = []

        async def child():
            seen.append(inside_cancel_scope())

        async with anyio.create_task_group() as group:
            group.start_soon(child)
        assert seen == [True]

    asyncio.run(main())


def test_where_it_cannot_be_known_the_answer_is_yes(monkeypatch):
    async def main():
        return inside_cancel_scope()

    assert trio.run(main)
    assert inside_cancel_scope()
    # Another anyio, without the name that is looked up.
    monkeypatch.setattr(exits, "task_states", None)
    assert asyncio.run(main())


class Entered:
    """Generators and managers in order of entry, and what they saw on the way out."""

    def __init__(self):
        self.items = []
        self.seen = []

    async def generator(self, name, swallows=False, raises=None):
        async def generate():
            try:
                yield
            except BaseException as exc:
                self.seen.append((name, exc))
                if raises is not None:
                    raise raises from None
                if not swallows:
                    raise

        item = generate()
        await item.__anext__()
        self.items.append(item)

    async def managers(self):
        @contextmanager
        def plain():
            try:
                yield
            except BaseException as exc:
                self.seen.append(("plain", exc))
                raise

        @asynccontextmanager
        async def asynchronous():
            with plain():
                yield

        self.items += [plain(), asynchronous()]
        self.items[0].__enter__()
        await self.items[1].__aenter__()


def test_last_first_and_the_list_is_emptied():
    async def main():
        entered = Entered()
        await entered.managers()
        await entered.generator("generator")
        failure = LookupError()
        # Nobody swallowed it: it is the caller's to raise.
        with pytest.raises(LookupError) as caught:
            if not await unwind(failure, entered.items):
                raise failure
        assert caught.value is failure
        assert entered.seen == [("generator", failure), ("plain", failure), ("plain", failure)]
        assert entered.items == []

    asyncio.run(main())


def test_one_that_swallows_ends_it():
    async def main():
        entered = Entered()
        await entered.generator("outer")
        await entered.generator("inner", swallows=True)
        assert await unwind(LookupError(), entered.items) is True
        assert [name for name, _ in entered.seen] == ["inner"]

    asyncio.run(main())


def test_one_that_raises_replaces_it():
    async def main():
        entered = Entered()
        replacement = KeyError()
        await entered.generator("outer")
        await entered.generator("inner", raises=replacement)
        with pytest.raises(KeyError) as caught:
            await unwind(LookupError(), entered.items)
        assert caught.value is replacement
        assert entered.seen[-1] == ("outer", replacement)

    asyncio.run(main())


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, StopAsyncIteration, StopIteration])
def test_any_exception_passes_through_generators(kind):
    async def main():
        entered = Entered()
        await entered.generator("generator")
        failure = kind()
        assert not await unwind(failure, entered.items)
        assert entered.seen == [("generator", failure)]

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        raise AssertionError("unwind() leaves the raising to its caller") from None


def test_nothing_entered():
    async def main():
        assert not await unwind(LookupError(), [])

    asyncio.run(main())


def test_an_exception_that_replaced_another_is_in_no_cycle():
    """Reference counting alone frees both, and what the generators held; the traceback still ends in the generator."""
    gone = []

    class Held(Exception):
        pass

    async def main():
        entered = Entered()
        await entered.generator("outer")
        await entered.generator("inner", raises=Held)
        entered.seen = collections.deque(maxlen=0)
        try:
            await unwind(Held("old"), entered.items)
        except Held as exc:
            gone.append(weakref.ref(exc))
            names = [frame.name for frame in traceback.extract_tb(exc.__traceback__)]
            assert names[-1] == "generate" and "__aexit__" not in names

    gc.collect()
    gc.disable()
    try:
        asyncio.run(main())
        assert [reference() for reference in gone] == [None]
    finally:
        gc.enable()


def test_a_traceback_longer_than_the_stack_may_be_is_passed_on():
    def descend():
        descend()

    def again(exc, levels):
        if levels:
            again(exc, levels - 1)
        raise exc

    async def generate():
        try:
            yield
        except LookupError:
            try:
                descend()
            except RecursionError as exc:
                again(exc, sys.getrecursionlimit() // 2)

    async def main():
        generator = generate()
        await generator.__anext__()
        with pytest.raises(RecursionError) as raised:
            await unwind(LookupError(), [generator])
        frames = list(traceback.walk_tb(raised.value.__traceback__))
        assert len(frames) > sys.getrecursionlimit() and frames[-1][0].f_code.co_name == "descend"

    asyncio.run(main())
