"""Leaving a Frame: exits backwards through every kind, and what a Frame holds goes with it."""
# ruff: noqa: B008

import asyncio
import gc
import sys
import weakref
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import anyio
import pytest

from asgi import finish_anyway, websocket_scope
from memory import Memory
from plans import frame_for, plan_of
from wirefast import App, Depends, WebSocket
from wirefast._core import solver as module
from wirefast._core.solver import leave


class Exits:
    """Generators and context managers that record how they are left."""

    def __init__(self):
        self.events = []

    async def generator(self, name, failure=None, swallows=False):
        try:
            yield
            self.events.append((name, "left"))
        except BaseException as exc:
            self.events.append((name, repr(exc)))
            if not swallows:
                raise
        if failure:
            raise failure

    @contextmanager
    def manager(self, name):
        try:
            yield
        finally:
            self.events.append((name, "left"))

    async def entered(self, *items):
        found = []
        for item in items:
            if hasattr(item, "__anext__"):
                await item.__anext__()
            elif hasattr(item, "__aenter__"):
                await item.__aenter__()
            else:
                item.__enter__()
            found.append(item)
        return found


def test_leave_goes_backwards_through_every_kind():
    async def main():
        exits = Exits()
        async_manager = asynccontextmanager(exits.generator)("async manager")
        await leave(await exits.entered(exits.generator("first"), exits.manager("manager"), async_manager))
        assert exits.events == [("async manager", "left"), ("manager", "left"), ("first", "left")]

    asyncio.run(main())


def test_a_failure_on_the_way_out_is_thrown_into_the_rest():
    async def main():
        exits = Exits()
        failure = LookupError("on the way out")
        with pytest.raises(LookupError) as caught:
            await leave(
                await exits.entered(
                    exits.generator("first"), exits.generator("second", failure), exits.generator("third")
                )
            )
        assert caught.value is failure
        assert exits.events == [("third", "left"), ("second", "left"), ("first", repr(failure))]

    asyncio.run(main())


def test_a_failure_on_the_way_out_may_be_swallowed():
    async def main():
        exits = Exits()
        await leave(
            await exits.entered(exits.generator("first", swallows=True), exits.generator("second", LookupError()))
        )
        assert exits.events == [("second", "left"), ("first", "LookupError()")]

    asyncio.run(main())


def test_a_generator_that_yields_twice():
    closed = []

    async def twice():
        try:
            yield
            yield
        finally:
            closed.append(True)

    async def main():
        exits = Exits()
        with pytest.raises(RuntimeError, match="generator didn't stop"):
            await leave(await exits.entered(exits.generator("first"), twice()))
        assert closed == [True]
        assert exits.events[0][0] == "first"

    asyncio.run(main())


class Value:
    pass


@pytest.mark.parametrize("nodes", [3, 40])
@pytest.mark.parametrize("end", ["solved", "invalid", "raised", "abandoned"])
def test_a_frame_goes_with_its_last_reference(end, nodes):
    references = []

    async def dependency():
        value = Value()
        references.append(weakref.ref(value))
        if end == "abandoned":
            await asyncio.sleep(0)
        return value

    async def breaks(value: Annotated[Value, Depends(dependency)]):
        if end == "raised":
            raise LookupError
        return value

    async def nothing(): ...

    async def endpoint(a=Depends(breaks), *, needed: int = 0): ...

    plan = plan_of(endpoint, dependencies=[Depends(nothing, use_cache=False)] * nodes)
    gc.collect()
    gc.disable()
    try:
        frame = frame_for(plan, "/?needed=x" if end == "invalid" else "/")
        coroutine = frame.solve()
        if end == "abandoned":
            coroutine.send(None)
            coroutine.close()
        else:
            try:
                finish_anyway(coroutine)
            except LookupError:
                assert end == "raised"
        assert (frame.errors is not None) is (end == "invalid")
        # One name holds each of them; whether a name on the stack counts differs between versions of Python.
        alone = object()
        assert sys.getrefcount(frame) == sys.getrefcount(alone)
        connection = weakref.ref(frame.connection)
        del coroutine, frame
        assert [reference() for reference in references] == [None]
        assert connection() is None
    finally:
        gc.enable()


def test_frames_are_the_solvers_to_make():
    with pytest.raises(TypeError, match="open_frame"):
        module.Frame()
    with pytest.raises(TypeError):
        module.open_frame(None, WebSocket(websocket_scope(), None, None))


@pytest.mark.parametrize("enclosed", ["scope", "no scope", "another task's scope"])
def test_clean_up_on_our_own_server_is_shielded_within_a_scope(enclosed):
    """A cancelled scope of anyio around the application does not cancel the clean-up again."""
    seen = []
    inner = App()

    async def dependency():
        try:
            yield
        finally:
            await anyio.sleep(0)
            seen.append("clean")

    @inner.websocket("/")
    async def endpoint(websocket: WebSocket, value: Annotated[None, Depends(dependency)]):
        await websocket.accept()
        if enclosed == "scope":
            websocket.scope["cancel"]()
        await websocket.receive_text()

    async def app(scope, receive, send):
        if enclosed == "scope":
            with anyio.CancelScope() as around:
                scope["cancel"] = around.cancel
                await inner(scope, receive, send)
            seen.append(around.cancelled_caught)
        else:
            await inner(scope, receive, send)

    async def main():
        memory = Memory(app)
        peer = memory.open()
        while peer.status is None:
            await asyncio.sleep(0)
        if enclosed != "scope":
            peer.close()
        await asyncio.wait_for(memory.settled(peer), 20)

    async def in_scope():
        with anyio.CancelScope():
            await main()

    asyncio.run(in_scope() if enclosed == "another task's scope" else main())
    assert seen == (["clean", True] if enclosed == "scope" else ["clean"])
