"""What a test leaves is named, and the test fails."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvloop

from wirefast import App, Depends, WebSocket
from wirefast.rooms import Hub
from wirefast.testing import Leaked, Live, TimedOut, live

CONNECTED: list[WebSocket] = []


class Manager:
    def __init__(self) -> None:
        self.active: dict[str, WebSocket] = {}


manager = Manager()


async def session() -> AsyncIterator[int]:
    yield 1


def plain_session() -> Iterator[int]:
    yield 1


def make_app() -> App:
    app = App(hub=Hub())
    app.state.tasks = []

    @app.websocket("/task")
    async def task(websocket: WebSocket) -> None:
        await websocket.accept()
        app.state.tasks.append(asyncio.create_task(asyncio.sleep(1000), name="forgotten"))

    @app.websocket("/stuck")
    async def stuck(websocket: WebSocket, a: int = Depends(session), b: int = Depends(plain_session)) -> None:
        await websocket.accept()
        await asyncio.sleep(1000)

    @app.websocket("/keeps")
    async def keeps(websocket: WebSocket, where: str) -> None:
        await websocket.accept()
        if where == "list":
            CONNECTED.append(websocket)
        else:
            manager.active["ann"] = websocket
        async for _ in websocket.iter_text():
            pass

    @app.websocket("/good")
    async def good(websocket: WebSocket, hub: Hub, a: int = Depends(session)) -> None:
        await websocket.accept()
        await hub.join("room", websocket)
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return app


async def left_by(scene: Any, **options: Any) -> list[str]:
    try:
        async with live(make_app(), within=0.4, **options) as served:
            await scene(served)
    except Leaked as exc:
        return exc.left
    return []


def run(scene: Any, **options: Any) -> list[str]:
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(left_by(scene, **options))
    finally:
        loop.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirefast.testing.leaks.PATIENCE", 0.05)


def test_nothing_is_left_by_what_is_good() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/good") as ann:
            await ann.send("hi")
            await ann.expect("hi")

    assert run(scene) == []


def test_a_task() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/task") as ann:
            await ann.expect_close(1000)

    (left,) = run(scene)
    assert left.startswith("a task: sleep (forgotten), at ") and "tasks.py" in left


def test_a_task_of_the_test_itself() -> None:
    async def scene(served: Live) -> None:
        served.state["task"] = asyncio.create_task(served.clock.real_sleep(1000), name="mine")
        await asyncio.sleep(0)

    assert "mine" in run(scene)[0]


def test_a_socket_of_the_test() -> None:
    async def scene(served: Live) -> None:
        await served.connect("/good?x=1", name="ann")

    assert "a socket: ann, /good?x=1, was not closed" in run(scene)


def test_a_socket_of_the_system() -> None:
    listening, connected = socket.socket(), []

    async def scene(served: Live) -> None:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        connected.append(socket.create_connection(listening.getsockname()))

    left = run(scene)
    (name,) = [connection.getsockname() for connection in connected]
    assert left == [f"a socket: {name!r}, connected to {listening.getsockname()!r}"]
    for opened in (listening, *connected):
        opened.close()


def test_a_handler_that_ignores_the_end_and_its_dependencies() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/stuck"):
            pass

    left = run(scene)
    assert sum(item.startswith("a task: the handler of /stuck") for item in left) == 1
    exits = [item for item in left if item.startswith("a dependency's exit: ")]
    assert ["session" in item and __file__ in item for item in exits] == [True, True]
    assert sum("plain_session" in item for item in exits) == 1


def test_a_member_of_a_room() -> None:
    async def scene(served: Live) -> None:
        peer = await served.connect("/good?user=ann")
        await peer.send("hi")
        await peer.expect("hi")
        # Nothing tells the hub of the end of what is kept from it.
        for member in served.hub._members.values():
            member.outbox.unwatch(member.watcher)
        await peer.close()

    assert run(scene) == ["a room member: /good?user=ann in 'room'"]


@pytest.mark.parametrize(
    ("where", "named"), [("list", f"{__name__}.CONNECTED"), ("dict", f"{__name__}.Manager.active")]
)
def test_a_websocket_that_a_container_keeps(where: str, named: str) -> None:
    async def scene(served: Live) -> None:
        async with served.connect(f"/keeps?where={where}") as ann:
            await ann.send("hi")

    try:
        assert run(scene) == [f"a member: the WebSocket of /keeps?where={where} is still held by {named}"]
    finally:
        CONNECTED.clear()
        manager.active.clear()


def test_it_may_be_turned_off_and_a_failure_comes_first() -> None:
    async def leaves(served: Live) -> None:
        await served.connect("/good")

    assert run(leaves, leaks=False) == []

    async def fails(served: Live) -> None:
        await served.connect("/good")
        raise LookupError("the failure")

    with pytest.raises(LookupError, match="the failure"):
        run(fails)


def test_a_task_within_a_compiled_generator_is_named() -> None:
    """``iter_text`` of our WebSocket is compiled, and says nothing of its frame."""
    app, tasks = App(), []

    async def read(websocket: WebSocket) -> None:
        try:
            async for _ in websocket.iter_text():
                await asyncio.Event().wait()
        finally:
            tasks.clear()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        tasks.append(asyncio.create_task(read(websocket)))
        await tasks[0]

    async def scene() -> None:
        async with live(app, within=0.1) as server, server.connect("/") as peer:
            await peer.send("x")

    with pytest.raises(Leaked, match="the handler of /, at .*test_testing_leaks.py:[0-9]+ in endpoint"):
        asyncio.run(scene())


def test_a_failure_has_the_last_ping_alone() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()

    async def scene() -> None:
        async with live(app) as server, server.connect("/") as peer:
            await server.clock.advance(3600)
            with pytest.raises(TimedOut) as failed:
                await peer.expect("x", within=0.01)
            assert str(failed.value).count("< ping") == str(failed.value).count("> pong") == 1

    asyncio.run(scene())
