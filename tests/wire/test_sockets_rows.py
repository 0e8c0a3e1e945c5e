"""The endpoints of one row of steps: each has its own current task, and survives what the others do."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edges import (
    EVENTS_PER_TURN,
    Service,
    interrupted,
    run,
)
from pairs import LOOPS
from peer import TEXT, frame

from slower import SLOWER


async def steps(scope: Any, receive: Any, send: Any) -> None:
    """Do what each message says, as the same current task all along, and send the message back."""
    mine = TASKS[scope["path"]] = asyncio.current_task()
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        assert asyncio.current_task() is mine
        what, _, path = message["text"].partition(" ")
        if what == "sleep":
            await asyncio.sleep(0)
        elif what == "wait":
            # The message that this wait is for stays for the next one.
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0.005)
        elif what == "timeout" and sys.version_info >= (3, 11):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await asyncio.sleep(60)
        elif what == "group" and sys.version_info >= (3, 11):
            async with asyncio.TaskGroup() as group:
                made = [group.create_task(current()) for _ in range(2)]
            assert [task.result() for task in made] == made
        elif what == "task":
            task = asyncio.ensure_future(current())
            assert await task is task
        elif what == "interrupt":
            raise KeyboardInterrupt
        elif what == "exit":
            raise SystemExit
        elif what == "cancel":
            TASKS[path].cancel()
        assert asyncio.current_task() is mine
        await send({"type": "websocket.send", "text": message["text"]})


async def current() -> Any:
    return asyncio.current_task()


TASKS: dict[str, Any] = {}


def eagerly(loop: Any, coroutine: Any, **options: Any) -> Any:
    options.pop("eager_start", None)
    return asyncio.Task(coroutine, loop=loop, eager_start=loop.is_running(), **options)


@pytest.fixture(params=["plain", "debug", "eager"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "eager" and sys.version_info < (3, 12):
        pytest.skip("Python 3.12 has eager tasks")
    return request.param


def test_each_step_of_a_row_has_its_own_current_task(kind: str, loop_name: str) -> None:
    async def case(service: Service) -> None:
        if kind == "eager":
            asyncio.get_running_loop().set_task_factory(eagerly)
        clients = [await service.client().open(f"/{number}") for number in range(2 * EVENTS_PER_TURN)]
        rng = random.Random(1)
        for _ in range(4):
            asked = [rng.choice(["text", "text", "sleep", "wait", "timeout", "group", "task"]) for _ in clients]
            for client, what in zip(clients, asked, strict=True):
                client.send(frame(TEXT, what.encode()))
            for client, what in zip(clients, asked, strict=True):
                assert (await client.message()).decode() == what
        assert asyncio.current_task() is not None
        asyncio.get_running_loop().set_task_factory(None)

    run(case, loop_name, steps, debug=kind == "debug")


def test_an_endpoint_cancels_another_of_its_row(kind: str, loop_name: str) -> None:
    """The one before and the one behind it in the row, with a message each and without."""

    async def case(service: Service) -> None:
        if kind == "eager":
            asyncio.get_running_loop().set_task_factory(eagerly)
        clients = [await service.client().open(f"/{number}") for number in range(12)]
        for number, client in enumerate(clients):
            if number % 3 == 1:
                client.send(frame(TEXT, b"cancel /%d" % (number - 1)), frame(TEXT, b"cancel /%d" % (number + 1)))
            elif number < 6:
                client.send(frame(TEXT, b"text"))
        for number in (1, 4, 7, 10):
            for other in (number - 1, number + 1):
                assert (await clients[number].message()).decode() == f"cancel /{other}"
                while (found := await clients[other].frame()).opcode == TEXT:
                    pass
                assert found.code == 1012
        for number in (1, 4, 7, 10):
            clients[number].send(frame(TEXT, b"still here"))
            assert await clients[number].message() == b"still here"
        asyncio.get_running_loop().set_task_factory(None)

    run(case, loop_name, steps, debug=kind == "debug")


@pytest.mark.parametrize("what", [b"interrupt", b"exit"])
def test_an_endpoint_interrupts_its_row(what: bytes, kind: str, loop_name: str) -> None:
    """The others of the row, and of the turns behind it, get their messages and send their answers."""

    async def main() -> None:
        service = Service(steps)
        clients = [await service.client().open(f"/{number}") for number in range(2 * EVENTS_PER_TURN + 20)]
        if kind == "eager":
            loop.set_task_factory(eagerly)
        for number, client in enumerate(clients):
            client.send(frame(TEXT, what if number in (3, 40, 90) else b"task" if number % 2 else b"text"))
        for number, client in enumerate(clients):
            if number in (3, 40, 90):
                assert (await client.frame()).code == 1011
            else:
                assert await client.message() == (b"task" if number % 2 else b"text")
        loop.set_task_factory(None)
        await service.stop()

    loop = LOOPS[loop_name]()
    loop.set_debug(kind == "debug")
    assert 1 <= interrupted(loop, loop.create_task(main())) <= 3
    assert asyncio.all_tasks(loop) == set()
    loop.close()


NO_DICT = """
import _asyncio, asyncio.tasks

asyncio.current_task = asyncio.tasks.current_task = _asyncio.current_task
del _asyncio._current_tasks
asyncio.tasks._current_tasks = {}

import test_sockets_rows

test_sockets_rows.test_each_step_of_a_row_has_its_own_current_task("plain", "asyncio")
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has a dict that it uses")
def test_steps_where_asyncio_does_not_use_its_dict_of_current_tasks() -> None:
    """As Python 3.14, whose `asyncio.tasks._current_tasks` is for tasks in Python alone."""
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", NO_DICT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOWER, env=environment)
    assert done.returncode == 0, done.stderr
