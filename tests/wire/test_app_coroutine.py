"""An application that the reactor steps in place of its task behaves as one that its task steps."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory import Memory

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE")
#: Turns of the loop after which nothing is left to do.
TURNS = 20
#: The message of a cancellation.
MESSAGE = "for a reason"


# ---- Random programs, beside a task that asyncio steps alone ----


class Program:
    """An application of drawn steps, which notes what happens to it.

    Args:
        steps: one name for each.
        lets_go: the number of the step that lets a cancellation pass; the others go on after it.
        end: ``"returns"`` or ``"raises"``.
    """

    def __init__(self, steps: list[str], lets_go: int, end: str) -> None:
        self.steps, self.lets_go, self.end = steps, lets_go, end
        self.notes: list[Any] = []

    async def run(self, receive: Callable[[], Any]) -> None:
        task = asyncio.current_task()
        for number, step in enumerate(self.steps):
            try:
                self.notes.append((number, step, await getattr(self, step)(receive)))
            except asyncio.CancelledError as exc:
                self.notes.append((number, step, "cancelled", exc.args))
                if number == self.lets_go:
                    raise
            self.notes.append(asyncio.current_task() is task)
        if self.end == "raises":
            raise LookupError("the end")

    async def receives(self, receive: Callable[[], Any]) -> Any:
        return await receive()

    async def turns(self, receive: Callable[[], Any]) -> None:
        await asyncio.sleep(0)

    async def awaits_a_future(self, receive: Callable[[], Any]) -> Any:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: future.done() or future.set_result("a result"))
        return await future

    async def awaits_a_child(self, receive: Callable[[], Any]) -> Any:
        async def child() -> str:
            try:
                await asyncio.sleep(0)
                return "from the child"
            except asyncio.CancelledError:
                self.notes.append("the child is cancelled")
                raise

        return await asyncio.create_task(child())

    async def receives_in_a_child(self, receive: Callable[[], Any]) -> Any:
        return await asyncio.create_task(receive())

    async def receives_in_time(self, receive: Callable[[], Any]) -> Any:
        return await asyncio.wait_for(receive(), 60)

    async def receives_for_no_time(self, receive: Callable[[], Any]) -> Any:
        try:
            return await asyncio.wait_for(receive(), 0)
        except asyncio.TimeoutError:
            return "timed out"

    async def cancels_itself(self, receive: Callable[[], Any]) -> None:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()

    async def takes_a_cancellation_back(self, receive: Callable[[], Any]) -> Any:
        current = asyncio.current_task()
        if current is not None and sys.version_info >= (3, 11):
            current.cancel(MESSAGE)
            current.uncancel()
        return await receive()

    async def handles_an_exception_meanwhile(self, receive: Callable[[], Any]) -> Any:
        try:
            raise LookupError("handled")
        except LookupError:
            await receive()
            return repr(sys.exc_info()[1])
        finally:
            self.notes.append(repr(sys.exc_info()[1]))

    async def cancels_itself_later(self, receive: Callable[[], Any]) -> Any:
        current = asyncio.current_task()
        assert current is not None
        asyncio.get_running_loop().call_soon(current.cancel)
        return await receive()


STEPS = [name for name in vars(Program) if name not in ("run", "__init__") and not name.startswith("_")]
EVENTS = ["message", "two messages", "cancel", "message and cancel", "cancel and message"]


def drive(events: list[str], send: Callable[[str], None], cancel: Callable[[], None]) -> Any:
    async def turns() -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def run() -> None:
        await turns()
        for number, event in enumerate(events):
            if event == "cancel and message":
                cancel()
            if "message" in event:
                send(f"message {number}")
            if event == "two messages":
                send(f"message {number}, the second")
            if event in ("cancel", "message and cancel"):
                cancel()
            await turns()

    return run()


async def by_its_task(program: Program, events: list[str]) -> tuple[list[Any], int]:
    """What a task of asyncio makes of a program, and the code with which our server closes such a connection."""
    queue: deque[str] = deque()
    waiting: list[asyncio.Future[None]] = []

    async def receive() -> str:
        while not queue:
            future = asyncio.get_running_loop().create_future()
            waiting.append(future)
            await future
        return queue.popleft()

    def send(message: str) -> None:
        queue.append(message)
        for future in waiting:
            if not future.done():
                future.set_result(None)
        waiting.clear()

    async def code() -> int:
        try:
            await program.run(receive)
        except asyncio.CancelledError:
            return 1012
        except LookupError:
            return 1011
        return 1000

    async def ended() -> None:
        codes.append(await code())

    codes: list[int] = []
    task = asyncio.create_task(ended())
    await drive(events, send, lambda: task.cancel(MESSAGE))
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    return program.notes, codes[0]


async def by_the_reactor(program: Program, events: list[str]) -> tuple[list[Any], int | None]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def text() -> Any:
            return (await receive())["text"]

        await receive()
        await send({"type": "websocket.accept"})
        await program.run(text)

    memory = Memory(app)
    peer = memory.open()
    (task,) = memory.state.tasks

    def cancel() -> None:
        task.cancel(MESSAGE)

    await drive(events, peer.send, cancel)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    await memory.settled(peer)
    return program.notes, peer.close_code


@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=8),
    lets_go=st.integers(0, 12),
    end=st.sampled_from(["returns", "raises"]),
    events=st.lists(st.sampled_from(EVENTS), max_size=8),
)
@example(
    # The turn of the loop comes before the cancellation, so the later request is the same one.
    steps=["receives", "cancels_itself", "cancels_itself_later", "turns", "receives"],
    lets_go=9,
    end="returns",
    events=["two messages", "message"],
)
def test_random_programs(steps: list[str], lets_go: int, end: str, events: list[str]) -> None:
    async def main() -> None:
        expected = await by_its_task(Program(steps, lets_go, end), events)
        assert await by_the_reactor(Program(steps, lets_go, end), events) == expected

    asyncio.run(asyncio.wait_for(main(), 60))


# ---- What other code sees of the task ----


def run(app: Any, messages: list[str], look: Callable[[asyncio.Task[Any]], Any] | None = None) -> Any:
    """Give an application messages, one in a turn. Return what ``look`` returns for its task after the last one."""

    async def main() -> Any:
        memory = Memory(app)

        def seen() -> Any:
            assert look is not None
            (task,) = memory.state.tasks
            return look(task)

        return await memory.exchange(messages, None if look is None else seen)

    return asyncio.run(asyncio.wait_for(main(), 60))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def test_the_stack_and_the_name_of_the_task_are_the_applications() -> None:
    frames, text = run(echo, ["a", "b"], lambda task: (task.get_stack(), repr(task)))
    assert [frame.f_code.co_name for frame in frames] == ["echo"]
    assert "coro=<echo()" in text
    assert __file__ in text


def test_the_coroutine_of_the_task_tells_what_it_awaits() -> None:
    assert run(echo, ["a"], lambda task: task.get_coro().cr_await) is not None


def test_an_ended_task_names_the_application() -> None:
    tasks: list[asyncio.Task[Any]] = []
    run(echo, ["a"], tasks.append)
    assert tasks[0].done()
    assert "coro=<echo() done" in repr(tasks[0])


def test_context_variables_stay_those_of_the_task() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        VARIABLE.set("")
        while (message := await receive())["type"] == "websocket.receive":
            VARIABLE.set(VARIABLE.get() + message["text"])
            seen.append(VARIABLE.get())

    run(app, ["a", "b", "c"])
    assert seen == ["a", "ab", "abc"]
    assert VARIABLE.get("unset") == "unset"


def test_one_application_receives_from_the_connection_of_another() -> None:
    """The relayed messages step the receiver's coroutine, as its own task."""
    tasks, got = set(), []
    shared: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if scope["path"] == "/giver":
            shared.append(receive)
            await asyncio.Event().wait()
        while True:
            got.append((await shared[0]())["text"])
            tasks.add(asyncio.current_task())

    async def main() -> None:
        memory = Memory(app)
        giver = memory.open("/giver")
        await asyncio.sleep(0.001)
        (given,) = memory.state.tasks
        memory.open("/taker")
        (taker,) = memory.state.tasks - {given}
        for message in ("a", "b", "c"):
            await asyncio.sleep(0.001)
            giver.send(message)
        await asyncio.sleep(0.001)
        assert (got, tasks) == (["a", "b", "c"], {taker})
        for task in (given, taker):
            task.cancel()
        await asyncio.wait([given, taker])

    asyncio.run(asyncio.wait_for(main(), 60))


class OtherTask(asyncio.tasks._PyTask):  # type: ignore[name-defined, misc]
    """A task of another class than asyncio's own."""


def test_tasks_of_another_class() -> None:
    got = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            got.append((message["text"], type(asyncio.current_task()).__name__))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **options: OtherTask(coro, loop=loop, **options))
        await Memory(app).exchange(["a", "b"])

    asyncio.run(asyncio.wait_for(main(), 60))
    assert got == [("a", "OtherTask"), ("b", "OtherTask")]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks() -> None:
    got: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        got.append("ended")

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await Memory(app).exchange(["a", "b"])

    asyncio.run(asyncio.wait_for(main(), 60))
    assert got == ["ended"]


def test_scopes_of_anyio_end_their_wait_alone() -> None:
    """A scope knows its own cancellation by the message."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        with anyio.move_on_after(0.001) as moved:
            await receive()
        seen.append(moved.cancelled_caught)
        try:
            with anyio.fail_after(0.001):
                await receive()
        except TimeoutError:
            seen.append("in time")
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await anyio.sleep(0)
            group.cancel_scope.cancel()
        await send({"type": "websocket.send", "text": "ready"})
        seen.append((await receive())["text"])

    async def main() -> None:
        memory = Memory(app)
        peer = memory.open()
        while peer.close_code is None and peer.messages != ["ready"]:
            await asyncio.sleep(0)
        peer.send("the message")
        await memory.settled(peer)
        assert peer.close_code == 1000

    asyncio.run(asyncio.wait_for(main(), 60))
    assert seen == [True, "in time", "the message"]


def test_closing_a_coroutine_that_runs() -> None:
    """It raises, as for any coroutine, and the application goes on."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(2):
            await receive()
            current = asyncio.current_task()
            assert current is not None
            with pytest.raises(ValueError, match="already executing"):
                current.get_coro().close()
            seen.append("goes on")

    run(app, ["a", "b"])
    assert seen == ["goes on", "goes on"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exception_that_ends_the_loop(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise kind

    with pytest.raises(kind):
        run(app, ["a"])
    assert "never retrieved" not in caplog.text


class Driven(asyncio.Future[None]):
    """What a loop of another kind has as a task."""

    def set_name(self, name: object) -> None:
        """Python 3.13.0 names what a task factory makes."""


def test_the_coroutine_is_driven_by_hand() -> None:
    """As by a loop of another kind: send, throw and close are those of a coroutine."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append("begun")
        try:
            await asyncio.sleep(3600)
        except GeneratorExit:
            seen.append("closed")
            raise

    async def main() -> None:
        coroutines = []

        def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
            coroutines.append(coroutine)
            return Driven(loop=loop)

        asyncio.get_running_loop().set_task_factory(factory)
        Memory(app).open()
        asyncio.get_running_loop().set_task_factory(None)
        (coroutine,) = coroutines
        coroutine.send(None)
        assert coroutine.cr_running is False
        coroutine.close()
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            coroutine.send(None)
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            coroutine.throw(ValueError())

    asyncio.run(main())
    assert seen == ["begun", "closed"]
