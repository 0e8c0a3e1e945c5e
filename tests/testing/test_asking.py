"""Questions and answers in one call, several messages at once, conditions, sockets for a whole test."""

from __future__ import annotations

import asyncio
import re

import pytest

from ways import FOREIGN, MEMORY, REAL, live_by
from wirefast import App, WebSocket
from wirefast.testing import Leaked, Live, NotExpected, NotOnTheWire, TimedOut
from wirefast.testing import live as serve

live = live_by(MEMORY, REAL, FOREIGN)


def echoing() -> App:
    app = App()
    app.state.heard = []
    app.state.reads = asyncio.Event()
    app.state.reads.set()

    @app.websocket("/")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await app.state.reads.wait()
            text = await websocket.receive_text()
            app.state.heard.append(text)
            await websocket.send_text(text)

    return app


@pytest.fixture
def app() -> App:
    return echoing()


async def test_a_question_and_its_answer(live: Live) -> None:
    async with live.connect("/") as ann:
        assert await ann.ask("hi") == "hi"
        assert await ann.ask({"n": 1}, dict) == {"n": 1}
        await ann.send_all("a", "b", {"c": 1})
        assert await ann.expect_all("a", str, {"c": 1}) == ["a", "b", {"c": 1}]
        with pytest.raises(NotExpected, match="expected 'b', but it is another value: 'c'"):
            await ann.ask("c", "b")
        with pytest.raises(TimedOut):
            await ann.expect_all("d", within=0.01)
    assert await live.ask("/", "once", "once", name="bob") == "once"


async def test_numbers_of_any_size_are_json(live: Live) -> None:
    async with live.connect("/") as ann:
        await ann.ask({"n": 10**70, "f": 1.5}, {"n": 10**70, "f": 1.5})
        assert await ann.ask("NaN") == "NaN"  # which is no JSON


async def test_conditions_of_the_application(live: Live, app: App) -> None:
    async with live.connect("/") as ann:
        await ann.send("hi")
        await live.until(lambda: app.state.heard == ["hi"])
        await live.settle()
        assert ann.unread == ["hi"]
        with pytest.raises(TimedOut, match=re.escape("the predicate at line") + r"[\s\S]*> hi"):
            await live.until(lambda: len(app.state.heard) > 1, within=0.01)


async def test_a_socket_for_the_whole_test_is_no_leak(live: Live) -> None:
    ann = await live.connect("/", keep=True)
    await ann.ask("hi", "hi")


def test_one_that_was_not_closed_is_one() -> None:
    async def scene() -> None:
        async with serve(echoing()) as server:
            await server.connect("/", keep=True)
            await server.connect("/", name="bob")

    with pytest.raises(Leaked) as raised:
        asyncio.run(scene())
    assert raised.value.left == ["a socket: bob, /, was not closed"]


async def test_what_the_server_has_not_taken(live: Live, app: App) -> None:
    app.state.reads.clear()
    async with live.connect("/") as ann:
        text = "x" * 100_000
        await ann.send_all(*[text] * 200)
        await live.settle()
        assert 100_000 < ann.unsent < 20_100_000
        app.state.reads.set()
        await ann.expect_all(*[text] * 200)
        assert ann.unsent == 0


def test_what_has_no_wire_says_so() -> None:
    async def scene() -> None:
        async with serve(echoing(), mode="asgi") as server, server.connect("/") as ann:
            with pytest.raises(NotOnTheWire, match="unsent needs a wire"):
                assert ann.unsent

    asyncio.run(scene())


async def test_so_many_exceptions(live: Live, app: App) -> None:
    @app.websocket("/broken")
    async def broken(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError("no such thing")

    with live.expect_exception(LookupError, "no such", times=2):
        for _ in range(2):
            async with live.connect("/broken") as ann:
                await ann.expect_close()
    with live.expect_exception(LookupError):
        with pytest.raises(AssertionError, match=r"raised no LookupError 2 times, but LookupError\('no such thing'\)"):
            with live.expect_exception(LookupError, times=2):
                async with live.connect("/broken") as ann:
                    await ann.expect_close()


def test_which_application_is_served() -> None:
    async def scene() -> None:
        server = Live(None)
        with pytest.raises(RuntimeError, match="the fixture `live` has no application: define a fixture `live_app`"):
            await server.connect("/")
        async with server:
            app = await server.start(echoing)
            assert server.app is app and await server.start() is app
            await server.ask("/", "x", "x")
            with pytest.raises(RuntimeError, match=r"this server has an application; live\(app\) serves another one"):
                await server.start(app)

    asyncio.run(scene())


async def test_a_forgotten_async_with_is_told(live: Live) -> None:
    with pytest.raises(TypeError, match="takes `async with`, not `with`"), live.connect("/"):
        pass
    with pytest.raises(AttributeError, match=r"not open yet, so it has no 'send': `async with live\.connect"):
        live.connect("/").send("hi")  # type: ignore[attr-defined]
