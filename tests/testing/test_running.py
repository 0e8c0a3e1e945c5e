"""A server for one test: which application, who connects, what is replaced, the broker, what it costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
import trio
import uvloop
from scenes_app import make_app

from shown import shown
from slower import SLOWER
from wirefast import App, Depends, Request, WebSocket
from wirefast.cli import OWN_DEFAULTS
from wirefast.rooms import Hub
from wirefast.testing import Live, StartFailed, live
from wirefast.testing.serving import DEFAULTS


def run(scene: Callable[[Live], Awaitable[Any]], app: Any = make_app, **options: Any) -> Any:
    async def whole() -> Any:
        async with live(app, **options) as served:
            return await scene(served)

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(whole())
    finally:
        loop.close()


async def made_later() -> App:
    return make_app()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "websocket", "no lifespan"
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["path"]})


async def echoes(served: Live) -> None:
    async with served.connect("/echo") as ann:
        await ann.send("hi")
        await ann.expect("hi")


@pytest.mark.parametrize("app", [make_app, make_app(), made_later, "scenes_app:make_app"], ids=shown)
def test_ways_to_name_an_application(app: Any) -> None:
    run(echoes, app)


def test_any_asgi_application() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/a%20path") as ann:
            await ann.expect("/a path")
            await ann.expect_close(1000)

    run(scene, bare)


@pytest.mark.parametrize(
    ("app", "error"),
    [
        ("nothing", ValueError),
        ("scenes_app:nothing", AttributeError),
        ("no_such:app", ModuleNotFoundError),
        (5, TypeError),
    ],
)
def test_what_names_none(app: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(echoes, app)


def test_the_lifespan_is_of_the_same_loop_and_its_failure_comes_out() -> None:
    loops = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, Any]]:
        loops.append(asyncio.get_running_loop())
        yield {"pool": "a pool"}
        loops.append(asyncio.get_running_loop())

    app = App(lifespan=lifespan)

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.state.pool)

    async def scene(served: Live) -> None:
        loops.append(asyncio.get_running_loop())
        assert served.state == {"pool": "a pool"}
        async with served.connect("/") as ann:
            await ann.expect("a pool")
            await ann.expect_close(1000)

    run(scene, app)
    assert len(loops) == 3 and len(set(map(id, loops))) == 1

    @asynccontextmanager
    async def fails(app: App) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    with pytest.raises((LookupError, StartFailed), match="no database"):
        run(scene, App(lifespan=fails))


def current_user(request: Request = None, websocket: WebSocket = None) -> str:  # type: ignore[assignment]
    return "nobody"


def app_of_users() -> App:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, user: Annotated[str, Depends(current_user)]) -> None:
        await websocket.accept()
        await websocket.send_text(user)

    @app.get("/")
    async def page(user: Annotated[str, Depends(current_user)]) -> str:
        return user

    return app


@pytest.mark.parametrize("server", ["memory", "real"])
def test_each_client_acts_as_somebody(server: str) -> None:
    app = app_of_users()

    async def scene(served: Live) -> None:
        ann, bob = (served.client(acting={current_user: name}, name=name) for name in ("ann", "bob"))
        async with ann.connect("/") as a, bob.connect("/") as b, served.connect("/") as c:
            await b.expect("bob")
            await a.expect("ann")
            await c.expect("nobody")
        assert [(await who.http.get("/")).json() for who in (ann, bob, served)] == ["ann", "bob", "nobody"]

    run(scene, app, server=server)
    assert app.dependency_overrides == {} and type(app.dependency_overrides) is dict


def test_overrides_end_with_their_block() -> None:
    app = app_of_users()
    app.dependency_overrides[current_user] = lambda: "before"

    async def user(served: Live) -> str:
        async with served.connect("/") as ann:
            return str(await ann.receive())

    async def scene(served: Live) -> list[str]:
        said = [await user(served)]
        with served.override({current_user: lambda: "within"}):
            said.append(await user(served))
            with served.override(current_user, "deeper"):
                said.append(await user(served))
        return [*said, await user(served)]

    assert run(scene, app) == ["before", "within", "deeper", "before"]


def test_tokens_cookies_and_names() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(
            {name: websocket.headers.get(name) for name in ("authorization", "cookie", "origin", "x-a")}
        )

    async def scene(served: Live) -> list[Any]:
        said = []
        for who in (
            served.client(token="t0k", cookies={"a": "1", "b": "2"}, headers={"x-a": "b"}),
            served.client(basic=("ann", "secret"), origin="http://testserver"),
        ):
            async with who.connect("/", params={"q": "ü"}) as ann:
                said.append(await ann.expect(dict))
                assert ann.path == "/?q=%C3%BC"
        return said

    assert run(scene, app) == [
        {"authorization": "Bearer t0k", "cookie": "a=1; b=2", "origin": None, "x-a": "b"},
        {"authorization": "Basic YW5uOnNlY3JldA==", "cookie": None, "origin": "http://testserver", "x-a": None},
    ]


def test_the_broker_fails_in_every_way() -> None:
    gaps: list[str] = []
    app = make_app()
    app.hub.on_gap = gaps.append

    async def scene(served: Live) -> None:
        async with served.connect("/rooms/a") as ann:
            await ann.expect("joined")
            broker = served.broker
            broker.duplicate()
            await broker.publish("a", "once")
            await ann.expect("once")
            broker.steady()
            broker.slow(10)
            await broker.publish("a", "late")
            await ann.expect_nothing(0.01)
            await served.clock.advance(10)
            await ann.expect("late")
            broker.steady()
            assert gaps == ["a"]  # a number that comes again means that the broker is not to be trusted
            await served.clock.advance(2)
            gaps.clear()
            broker.lose(2)
            for text in ("lost", "lost", "after"):
                await broker.publish("a", text)
            await ann.expect("after")
            assert gaps == ["a"]
            await served.clock.advance(2)
            broker.cut()
            await served.hub.publish("a", "still here")
            await ann.expect("still here")
            await broker.heal()
            assert gaps == ["a", "a"]
            await broker.publish("a", "again")
            await ann.expect("again")
            for call in (lambda: broker.slow(-1), lambda: broker.lose(-1), lambda: broker.duplicate(0)):
                with pytest.raises(ValueError):
                    call()

    run(scene, app)


def test_a_hub_has_its_own_broker_again() -> None:
    hub = Hub("redis://localhost:1")
    before = hub._url, hub._broker

    async def scene(served: Live) -> None:
        assert served.hub is hub and hub._broker is not before[1]

    run(scene, App(hub=hub))
    assert hub._url == before[0]


def test_a_transcript_is_a_snapshot(tmp_path: Path) -> None:
    async def scene(served: Live) -> Any:
        async with served.connect("/echo", name="ann") as ann:
            await ann.send("two\nlines")
            await ann.expect(str)
            await served.clock.advance(100)
        return served.transcript

    first, second = run(scene), run(scene)
    assert (
        first
        == second
        == "ann > GET /echo\nann < 101\nann > two\\nlines\nann < two\\nlines\nann > close 1000\nann < close 1000\n"
    )
    path = tmp_path / "snapshots" / "echo.txt"
    with pytest.raises(AssertionError, match="there is no snapshot"):
        first.compare(path)
    first.compare(path, update=True)
    second.compare(path)
    path.write_text(path.read_text().replace("101", "102"))
    with pytest.raises(AssertionError, match=r"-ann < 102\n\+ann < 101"):
        second.compare(path)
    assert "ping" in first.told()


def test_on_two_loops_it_is_told() -> None:
    served = live(make_app())

    async def start() -> None:
        await served.start()

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.run_until_complete(start())
    with pytest.raises(RuntimeError, match="this server runs on another event loop"):
        second.run_until_complete(start())
    first.run_until_complete(served.stop())
    first.close()
    second.close()


def test_the_defaults_are_those_of_the_command() -> None:
    assert DEFAULTS == OWN_DEFAULTS


def test_a_hundred_cost_a_second() -> None:
    """1,000 tests with two peers of the chat took 6.6 s of CPU on one core, pytest and all."""
    app = make_app()
    run(echoes, app)
    began = time.process_time()
    for _ in range(100):
        run(echoes, app)
    assert time.process_time() - began < 2.0 * SLOWER


@pytest.mark.parametrize("silent", ["startup", "shutdown"])
def test_a_lifespan_without_an_answer_fails(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirefast.testing.lifespan.WITHIN", 0.05)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (kind := (await receive())["type"]) != f"lifespan.{silent}":
            await send({"type": f"{kind}.complete"})
        await asyncio.Event().wait()

    async def scene() -> None:
        async with live(app):
            pass

    with pytest.raises(StartFailed, match=f"has not answered lifespan.{silent} within 0.05 s"):
        asyncio.run(scene())


def test_another_loop_than_asyncios_is_told() -> None:
    async def scene() -> None:
        await live(App()).start()

    with pytest.raises(RuntimeError, match="let the fixture anyio_backend return .asyncio."):
        trio.run(scene)
