"""Ten mistakes of applications that a test with Starlette's TestClient does not see, and one with the kit does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from wirefast import App, WebSocket, WebSocketDisconnect
from wirefast.rooms import Hub
from wirefast.testclient import TestClient
from wirefast.testing import Leaked, Live, NotExpected, Refused, TimedOut, live

Endpoint = Callable[..., Awaitable[None]]


def app_of(endpoint: Endpoint, **options: Any) -> App:
    app = App(**options)
    app.websocket("/")(endpoint)
    return app


def on_the_wire(app: App, scene: Callable[[Live], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        async with live(app, **{"within": 0.5, **options}) as served:
            await scene(served)

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def end_for_test_client(app: App, *sent: str) -> tuple[int, str]:
    with pytest.raises(WebSocketDisconnect) as closed, TestClient(app).websocket_connect("/") as websocket:
        for text in sent:
            websocket.send_text(text)
        websocket.receive_text()
    return closed.value.code, closed.value.reason


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirefast.testing.leaks.PATIENCE", 0.05)


def test_a_close_code_that_is_meant_for_a_client_that_was_never_accepted() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.close(4001, "log in again")

    assert end_for_test_client(app_of(endpoint)) == (4001, "log in again")

    async def scene(served: Live) -> None:
        async with served.connect("/") as ann:
            await ann.expect_close(4001)

    with pytest.raises(Refused, match="403 Forbidden"):
        on_the_wire(app_of(endpoint), scene)


def test_a_close_code_that_no_frame_carries() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send({"type": "websocket.close", "code": 1006})

    assert end_for_test_client(app_of(endpoint)) == (1006, "")

    async def scene(served: Live) -> None:
        async with served.connect("/") as ann:
            await ann.expect_close(1006)

    with pytest.raises(NotExpected, match="expected the close code 1006, but it is 1011"):
        on_the_wire(app_of(endpoint), scene)


def test_a_reason_that_is_too_long() -> None:
    reason = "x" * 200

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4000, reason)

    assert end_for_test_client(app_of(endpoint)) == (4000, reason)

    async def scene(served: Live) -> None:
        async with served.connect("/") as ann:
            await ann.expect_close(4000, reason)

    with pytest.raises(NotExpected, match="expected the reason 'x{200}', but it is 'x{123}'"):
        on_the_wire(app_of(endpoint), scene)


def test_an_end_that_nobody_said() -> None:
    """The endpoint returns where it should close with a code of its own. With TestClient a test reads what it wants."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("bye")

    with TestClient(app_of(endpoint)).websocket_connect("/") as websocket:
        assert websocket.receive_text() == "bye"  # and one receive more would wait for ever

    async def scene(served: Live) -> None:
        async with served.connect("/") as ann:
            await ann.expect("bye")
            await ann.expect_close(4000)

    with pytest.raises(NotExpected, match="expected the close code 4000, but it is 1000"):
        on_the_wire(app_of(endpoint), scene)


def test_a_message_that_the_server_does_not_take() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(len(await websocket.receive_text())))

    with TestClient(app_of(endpoint)).websocket_connect("/") as websocket:
        websocket.send_text("x" * 20_000_000)
        assert websocket.receive_text() == "20000000"

    async def scene(served: Live) -> None:
        async with served.connect("/", within=5) as ann:
            await ann.send("x" * 20_000_000)
            await ann.expect("20000000")

    with pytest.raises(NotExpected, match="ended with 1009 message too big"):
        on_the_wire(app_of(endpoint), scene)


def test_messages_in_another_order() -> None:
    """Each message is answered by a task of its own. TestClient asks for one thing at a time, and never sees it."""

    def ask(websocket: Any, text: str) -> None:
        websocket.send_text(text)
        assert websocket.receive_text() == text

    app = app_of(each_by_a_task)
    with TestClient(app).websocket_connect("/") as websocket:
        ask(websocket, "slow")
        ask(websocket, "quick")

    async def scene(served: Live) -> None:
        async with served.connect("/", within=1) as ann:
            await ann.send("slow")
            await ann.send("quick")
            await ann.expect("slow")

    with pytest.raises(NotExpected, match="expected 'slow', but it is another value: 'quick'"):
        on_the_wire(app_of(each_by_a_task), scene)


async def each_by_a_task(websocket: WebSocket) -> None:
    await websocket.accept()
    tasks = set()

    async def answer(text: str) -> None:
        await asyncio.sleep(0.01 if text == "slow" else 0)
        await websocket.send_text(text)

    async for text in websocket.iter_text():
        tasks.add(asyncio.create_task(answer(text)))
    await asyncio.wait(tasks)


CONNECTED: list[WebSocket] = []


def test_a_list_that_keeps_those_who_left() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        CONNECTED.append(websocket)
        try:
            async for text in websocket.iter_text():
                await websocket.send_text(text)
        except WebSocketDisconnect:  # which iter_text does not raise
            CONNECTED.remove(websocket)

    try:
        with TestClient(app_of(endpoint)).websocket_connect("/") as websocket:
            websocket.send_text("hi")
            assert websocket.receive_text() == "hi"
        CONNECTED.clear()

        async def scene(served: Live) -> None:
            async with served.connect("/") as ann:
                await ann.send("hi")
                await ann.expect("hi")

        with pytest.raises(Leaked, match="the WebSocket of / is still held by test_hidden_mistakes.CONNECTED"):
            on_the_wire(app_of(endpoint), scene)
    finally:
        CONNECTED.clear()


def test_a_task_that_outlives_its_socket() -> None:
    tasks = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

        async def tell_the_time() -> None:
            while True:
                await asyncio.sleep(60)

        tasks.append(asyncio.create_task(tell_the_time()))
        await websocket.receive_text()

    with TestClient(app_of(endpoint)).websocket_connect("/") as websocket:
        websocket.send_text("hi")

    async def scene(served: Live) -> None:
        async with served.connect("/") as ann:
            await ann.send("hi")
            await ann.expect_close(1000)

    with pytest.raises(Leaked, match="a task: .*tell_the_time"):
        on_the_wire(app_of(endpoint), scene)


def test_a_peer_that_reads_nothing_holds_up_the_others() -> None:
    members: list[WebSocket] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        members.append(websocket)
        async for text in websocket.iter_text():
            for member in members:
                await member.send_text(text)
        members.remove(websocket)

    app = app_of(endpoint)
    with TestClient(app) as client, client.websocket_connect("/") as ann, client.websocket_connect("/") as bob:
        ann.send_text("hi")
        assert (ann.receive_text(), bob.receive_text()) == ("hi", "hi")  # bob has read nothing until here

    async def scene(served: Live) -> None:
        async with served.connect("/") as bob, served.connect("/", name="ann") as ann:
            bob.stall()
            await ann.send("one")
            await ann.expect("one")

    with pytest.raises(TimedOut, match="ann expected 'one' within 0.5 s, but nothing came"):
        on_the_wire(app, scene)


def test_a_peer_that_has_vanished_is_never_noticed() -> None:
    """No keepalive: a socket whose peer is gone without a word stays for ever. TestClient has no such peers."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    with TestClient(app_of(endpoint)).websocket_connect("/") as websocket:
        websocket.send_text("hi")
        assert websocket.receive_text() == "hi"

    async def scene(served: Live) -> None:
        async with served.connect("/", name="ann") as ann:
            ann.mute()
            await served.clock.advance(3600)
            await ann.expect_close(1011)

    with pytest.raises(TimedOut, match="ann expected the close code 1011 within 0.5 s"):
        on_the_wire(app_of(endpoint, hub=Hub()), scene, ws_ping_interval=None)
    on_the_wire(app_of(endpoint), scene)
