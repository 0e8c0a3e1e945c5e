"""The first step in place and the rest by await, seen through WebSocket.receive, which takes its ``receive`` that way.

Whatever the way, the coroutine must behave as under a plain ``await``: the loop sees each value it yields once and
in order, and what the loop sends or throws reaches it.
"""

import asyncio
import gc
import types
import weakref

import pytest

from asgi import finish, websocket_scope
from wirefast._core import drive as module
from wirefast.websockets import WebSocket

CONNECT = {"type": "websocket.connect"}


@types.coroutine
def give(value):
    """Yield a value to the event loop; what the loop sends back."""
    return (yield value)


async def silent_send(message):
    raise AssertionError("nothing is sent here")


def receiving(receive):
    return WebSocket(websocket_scope(), receive, silent_send).receive()


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


def test_a_coroutine_that_returns_at_once_never_reaches_the_loop():
    async def receive():
        return CONNECT

    assert finish(receiving(receive)) is CONNECT


def test_yields_and_sends_pass_in_order():
    seen = []

    async def receive():
        for value in ("first", "second", None):
            seen.append(await give(value))
        return CONNECT

    outer = receiving(receive)
    assert outer.send(None) == "first"
    assert seen == []
    assert outer.send(1) == "second"
    assert outer.send(2) is None
    with pytest.raises(StopIteration) as stop:
        outer.send(3)
    assert stop.value.value is CONNECT
    # The value sent for the first yield arrives like the others.
    assert seen == [1, 2, 3]


def test_bare_yields():
    async def receive():
        for _ in range(3):
            await asyncio.sleep(0)
        return CONNECT

    outer = receiving(receive)
    assert [outer.send(None) for _ in range(3)] == [None, None, None]
    with pytest.raises(StopIteration):
        outer.send(None)
    assert asyncio.run(receiving(receive)) is CONNECT


@pytest.mark.parametrize("steps", [1, 2])
def test_throw(steps):
    """Also before the first value was passed on, as when a task is cancelled in its first wait."""
    seen = []

    async def receive():
        try:
            await give(1)
            await give(2)
        except ValueError as exc:
            seen.append(exc)
            await give("cleaning up")
            raise KeyError from exc

    outer = receiving(receive)
    for _ in range(steps):
        outer.send(None)
    error = ValueError()
    assert outer.throw(error) == "cleaning up"
    with pytest.raises(KeyError) as caught:
        outer.send(None)
    assert caught.value.__cause__ is error
    assert seen == [error]


def test_throw_that_is_caught_continues():
    async def receive():
        try:
            await give(1)
        except ValueError:
            return CONNECT

    outer = receiving(receive)
    outer.send(None)
    with pytest.raises(StopIteration) as stop:
        outer.throw(ValueError())
    assert stop.value.value is CONNECT


@pytest.mark.parametrize("steps", [1, 2])
def test_close_runs_the_clean_up(steps):
    seen = []

    async def receive():
        try:
            await give(1)
            await give(2)
        finally:
            seen.append("closed")

    outer = receiving(receive)
    for _ in range(steps):
        outer.send(None)
    outer.close()
    assert seen == ["closed"]


def test_an_exception_of_the_first_step_and_of_a_later_one():
    async def fails_at_once():
        raise LookupError("at once")

    async def fails_later():
        await give(1)
        raise LookupError("later")

    with pytest.raises(LookupError, match="at once"):
        finish(receiving(fails_at_once))
    outer = receiving(fails_later)
    outer.send(None)
    with pytest.raises(LookupError, match="later"):
        outer.send(None)


@pytest.mark.parametrize("value", [{"type": "websocket.connect"}, types.MappingProxyType(CONNECT)])
def test_return_values_after_a_wait(value):
    async def receive():
        await asyncio.sleep(0)
        return value

    assert asyncio.run(receiving(receive)) is value


def test_a_returned_tuple_or_exception_is_a_value():
    """StopIteration(value) unpacks neither."""

    class Odd(tuple):
        def __getitem__(self, key):
            return "websocket.connect"

    class OddError(StopIteration):
        def __getitem__(self, key):
            return "websocket.connect"

    for value in (Odd((1, 2)), OddError("x")):

        async def receive(value=value):
            await asyncio.sleep(0)
            return value

        assert asyncio.run(receiving(receive)) is value


class Later:
    def __await__(self):
        yield
        return CONNECT


def a_future():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, CONNECT)
    return future


def a_compiled_coroutine():
    return receiving(lambda: asyncio.sleep(0, CONNECT))


@pytest.mark.parametrize("make", [a_future, Later, a_compiled_coroutine])
def test_other_awaitables_are_awaited_as_they_are(make):
    async def main():
        return await receiving(make)

    assert asyncio.run(main()) is CONNECT


def test_what_cannot_be_awaited_says_so():
    with pytest.raises(TypeError, match="await"):
        finish(receiving(lambda: CONNECT))


def test_futures_and_cancellation():
    """The task waits for the coroutine's own future: cancelling the task cancels that, and nothing is lost."""

    async def main():
        futures = []
        seen = []

        async def receive():
            futures.append(asyncio.get_running_loop().create_future())
            try:
                return await futures[-1]
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        websocket = WebSocket(websocket_scope(), receive, silent_send)
        task = asyncio.create_task(websocket.receive())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled"]
        assert futures[0].cancelled()

        task = asyncio.create_task(websocket.receive())
        await asyncio.sleep(0)
        futures[1].set_result(CONNECT)
        assert await task is CONNECT

    asyncio.run(main())


def test_wait_for_and_shield():
    async def main():
        async def never():
            await asyncio.Event().wait()

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receiving(never), 0.001)

        async def soon():
            await asyncio.sleep(0)
            return CONNECT

        assert await asyncio.shield(asyncio.ensure_future(receiving(soon))) is CONNECT

    asyncio.run(main())


@pytest.mark.parametrize("end", ["returns", "raises", "closed", "abandoned"])
def test_nothing_is_kept(end):
    class Local:
        pass

    references = []

    async def receive():
        local = Local()
        references.append(weakref.ref(local))
        await give(local)
        if end == "raises":
            raise LookupError
        return CONNECT

    gc.disable()
    try:
        outer = receiving(receive)
        assert outer.send(None) is references[0]()
        if end == "returns":
            with pytest.raises(StopIteration):
                outer.send(None)
        elif end == "raises":
            try:
                outer.send(None)
            except LookupError:
                pass
        elif end == "closed":
            outer.close()
        del outer
        assert references[0]() is None
    finally:
        gc.enable()
