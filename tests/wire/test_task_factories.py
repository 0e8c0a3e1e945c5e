"""Applications whose tasks a task factory makes, with a coroutine of its own around the server's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from memory import Memory


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


class Stepping:
    """A coroutine around another one, which notes each step of it."""

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self.inner, self.steps = inner, 0

    def __await__(self) -> Any:
        return self

    def send(self, value: Any) -> Any:
        self.steps += 1
        return self.inner.send(value)

    def throw(self, *error: Any) -> Any:
        return self.inner.throw(*error)

    def close(self) -> None:
        self.inner.close()

    __iter__ = __await__

    def __next__(self) -> Any:
        return self.send(None)


def wrapping(wrap: Callable[[Any], Any]) -> Callable[..., asyncio.Task[Any]]:
    """A task factory that puts a coroutine around each application."""

    def factory(loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        if type(coroutine).__name__ == "AppCoroutine":
            loop.set_task_factory(None)
            coroutine = wrap(coroutine)
            loop.set_task_factory(factory)
        return asyncio.Task(coroutine, loop=loop, **options)

    return factory


async def as_it_is(coroutine: Any) -> Any:
    return await coroutine


async def in_another_task(coroutine: Any) -> Any:
    loop = asyncio.get_running_loop()
    return await asyncio.Task(coroutine, loop=loop)


@pytest.mark.parametrize("wrap", [as_it_is, in_another_task])
def test_a_coroutine_of_a_task_factory_around_the_application(wrap: Callable[[Any], Any]) -> None:
    got = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            got.append(message["text"])

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(wrapping(wrap))
        await Memory(app).exchange(["a", "b", "c"])

    asyncio.run(asyncio.wait_for(main(), 60))
    assert got == ["a", "b", "c"]


def test_a_coroutine_of_a_task_factory_takes_part_in_each_step() -> None:
    made: list[Stepping] = []

    def stepping(inner: Any) -> Stepping:
        made.append(Stepping(inner))
        return made[0]

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(wrapping(stepping))
        memory = Memory(echo)
        peer = memory.open()
        await asyncio.sleep(0.001)
        steps = made[0].steps
        for message in ("a", "b", "c"):
            peer.send(message)
            await asyncio.sleep(0.001)
        assert made[0].steps == steps + 3
        peer.close()
        await memory.settled(peer)
        # The loop keeps its task factory after its end, and so the list.
        made.clear()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_coroutine_of_a_task_factory_sees_the_error(caplog: pytest.LogCaptureFixture) -> None:
    """As Sentry's, which reports it."""
    seen: list[str] = []

    async def reporting(coroutine: Any) -> Any:
        try:
            return await coroutine
        except Exception as exc:
            seen.append(str(exc))
            raise

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise LookupError("of the application")

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(wrapping(reporting))
        memory = Memory(app)
        peer = memory.open()
        await memory.settled(peer)
        assert peer.close_code == 1011

    asyncio.run(asyncio.wait_for(main(), 60))
    assert seen == ["of the application"]
    assert caplog.text.count("Exception in ASGI application") == 1
    assert "never retrieved" not in caplog.text


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("error", [None, LookupError])
def test_a_coroutine_of_a_task_factory_ends_without_the_application(error: type[Exception] | None) -> None:
    async def failing(coroutine: Any) -> None:
        coroutine.close()
        if error is not None:
            raise error

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(wrapping(failing if error else as_it_is))
        memory = Memory(echo)
        peer = memory.open()
        (task,) = memory.state.tasks
        if error is None:
            task.cancel()
        await memory.settled(peer)
        assert peer.status == 500

    asyncio.run(asyncio.wait_for(main(), 60))
