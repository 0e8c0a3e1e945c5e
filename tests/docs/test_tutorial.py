"""Each step of docs/tutorial does what its page says; the last one in a real browser, over a restart of the server."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from processes import TIMEOUT, running
from wirefast.testing import live

STEPS = Path(__file__).parents[2] / "examples" / "tutorial"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tutorial_{name}", STEPS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations find the module's names
    spec.loader.exec_module(module)
    return module


def step(name: str) -> Callable[[Any], Callable[[], None]]:
    """Run a coroutine function with the module of a step and its application, live."""

    def decorate(test: Any) -> Callable[[], None]:
        async def main() -> None:
            module = load(name)
            async with live(module.app) as served:
                await test(module, served)

        def run() -> None:
            asyncio.run(main())

        return run

    return decorate


@step("step01")
async def test_a_page_and_a_socket(module: Any, live: Any) -> None:
    assert "new WebSocket" in (await live.http.get("/")).text
    async with live.connect("/live") as peer:
        await peer.expect("hello from the server")
        await peer.send("hi")
        await peer.expect("you said hi")


@step("step02")
async def test_a_stream(module: Any, live: Any) -> None:
    async with live.connect("/live?every=0.01") as peer:
        for _ in range(2):
            assert (await peer.expect(module.Reading)).sensor == "load"
    refused = await live.expect_refused(403, "/live?every=0")
    assert "greater_than_equal" in refused.text


@step("step03")
async def test_one_source_for_all(module: Any, live: Any) -> None:
    reading = {"sensor": "load", "value": 0.5}
    async with live.connect("/live") as ada, live.connect("/live") as grace:
        assert (await live.http.post("/readings", json=reading)).json() == {"told": 2}
        for peer in (ada, grace):
            assert (await peer.expect(module.Reading)).value == 0.5


@step("step04")
async def test_a_room_for_each_sensor(module: Any, live: Any) -> None:
    async with live.connect("/live?sensor=door&sensor=load") as both, live.connect("/live?sensor=load") as one:
        for sensor, told in (("door", 1), ("load", 2), ("memory", 0)):
            answer = await live.http.post("/readings", json={"sensor": sensor, "value": 1})
            assert answer.json() == {"told": told}
        assert [(await both.expect(module.Reading)).sensor for _ in range(2)] == ["door", "load"]
        assert (await one.expect(module.Reading)).sensor == "load"
    assert "literal_error" in (await live.expect_refused(403, "/live?sensor=window")).text


@step("step05")
async def test_typed_messages(module: Any, live: Any) -> None:
    async with live.connect("/live") as peer:
        ref = await peer.send(module.Watch(sensor="door"), ref=True)
        assert (await peer.expect_reply(ref, module.Watching)).sensor == "door"
        await peer.send(module.Note(text="hello"))
        assert (await peer.expect(module.Noted)).text == "hello"
        await peer.send({"type": "note", "text": ""})
        await peer.expect_error("invalid")


@step("step06")
async def test_a_login(module: Any, live: Any) -> None:
    async with live.connect("/live") as stranger:
        await stranger.expect_close(4401, "log in first")
    answer = await live.http.post("/login", json={"name": "ada", "password": "lovelace"})
    cookie = answer.headers["set-cookie"].partition(";")[0].partition("=")[2].strip('"')
    async with live.client(cookies={"session": cookie}).connect("/live") as ada:
        await ada.send(module.Note(text="hello"))
        assert (await ada.expect(module.Noted)).by == "ada"


@step("step07")
async def test_what_a_stranger_cannot_do(module: Any, live: Any) -> None:
    assert (await live.http.post("/readings", json={"sensor": "door", "value": 1})).status_code == 401
    for attempt in range(11):
        answer = await live.http.post("/login", json={"name": "ada", "password": "guess"})
        assert answer.status_code == (401 if attempt < 10 else 429)
    async with live.client(cookies={"session": module.sign("ada")}).connect("/live") as ada:
        for _ in range(21):
            await ada.send(module.Note(text="again"))
        await ada.expect_close(1008)


def test_the_tests_of_the_board() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_board.py"]
    done = subprocess.run(command, cwd=STEPS, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout + done.stderr


def test_sensor_and_watcher_in_python_over_two_workers() -> None:
    """Step 10: a reading that one worker takes reaches who is connected to another."""
    sensor, watcher = load("sensor"), load("watch")
    with running(str(STEPS / "board.py"), "--workers", "2", "--port", "0", "--no-access-log") as server:
        port = server.wait_for_port()
        url = f"ws://127.0.0.1:{port}"
        cookie = patiently(lambda: watcher.log_in(url, "ada", "lovelace"))
        done = threading.Event()

        async def read() -> list[float]:
            readings = [watcher.watch(url, cookie, "load") for _ in range(6)]
            before = asyncio.all_tasks()
            values = [(await anext_(reading))["value"] for reading in readings]
            assert asyncio.all_tasks() == before  # a later test would meet a connection that is left open
            return values

        def post_until_done() -> None:
            while not done.wait(0.05):
                patiently(lambda: sensor.post(f"http://127.0.0.1:{port}", "load", 0.5))

        posting = threading.Thread(target=post_until_done)
        posting.start()
        try:
            assert asyncio.run(asyncio.wait_for(read(), TIMEOUT)) == [0.5] * 6
        finally:
            done.set()
            posting.join()


def patiently(work: Callable[[], Any]) -> Any:
    """Its result; the examples wait 5 seconds for an answer, which a busy machine may need longer for."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return work()
        except TimeoutError:
            assert time.monotonic() < deadline


async def anext_(iterator: Any) -> Any:
    """``anext`` of an asynchronous generator, which is closed then, with its connection.

    The generator of ``connect()`` inside is closed by a task of the loop, which ``asyncio.run()`` would cancel.
    """
    before = asyncio.all_tasks()
    try:
        return await iterator.__anext__()
    finally:
        await iterator.aclose()
        await asyncio.gather(*asyncio.all_tasks() - before, return_exceptions=True)


def test_a_forged_cookie_is_told_to_the_watcher() -> None:
    watcher = load("watch")

    async def read(url: str) -> None:
        await anext_(watcher.watch(url, "session=ada.forged", "load"))

    with running(str(STEPS / "board.py"), "--port", "0", "--no-access-log") as server:
        with pytest.raises(PermissionError, match="log in first"):
            asyncio.run(asyncio.wait_for(read(f"ws://127.0.0.1:{server.wait_for_port()}"), TIMEOUT))


def test_the_steps_are_typed() -> None:
    pytest.importorskip("mypy", reason="mypy is of the extra dev")
    files = [str(path) for path in sorted(STEPS.glob("*.py")) if path.stem != "test_board"]
    command = [sys.executable, "-m", "mypy", "--config-file", str(STEPS.parents[1] / "pyproject.toml"), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
