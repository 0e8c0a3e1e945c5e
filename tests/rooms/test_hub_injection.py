"""App(hub=...): started and stopped with the lifespan, given to whoever asks for a Hub by annotation."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from starlette.routing import BaseRoute

from processes import running, under_gunicorn
from wirefast import APIRouter, App, Depends, Request, WebSocket
from wirefast.rooms import Hub
from wirefast.testclient import TestClient
from wirefast.testing import Live


class Note(BaseModel):
    text: str


def chat(hub: Hub | None, **options: Any) -> App:
    app = App(hub=hub, **options)

    def hub_of_dependency(hub: Hub) -> Hub:
        return hub

    @app.websocket("/rooms/{room_id}")
    async def room(ws: WebSocket, room_id: int, hub: Hub, same: Annotated[Hub, Depends(hub_of_dependency)]) -> None:
        assert hub is same
        await ws.accept()
        async with hub.join(f"room:{room_id}", ws):
            await ws.send_text("joined")
            async for text in ws.iter_text():
                await hub.publish(f"room:{room_id}", {"said": text}, exclude=ws)

    @app.post("/notify/{room_id}")
    async def notify(room_id: int, body: Note, hub: Hub) -> Any:
        return {"reached": await hub.publish(f"room:{room_id}", body)}

    @app.post("/from-a-thread/{room_id}")
    def notify_from_thread(request: Request, room_id: int, body: Note, hub: Hub) -> Any:
        return {"reached": hub.publish_from_thread(f"room:{room_id}", body)}

    return app


@pytest.mark.live(chat(Hub()))
async def test_the_hub_is_injected_everywhere(live: Live) -> None:
    async with live.connect("/rooms/1") as one, live.connect("/rooms/1") as two:
        await one.expect("joined")
        await two.expect("joined")
        await one.send("hello")
        await two.expect({"said": "hello"})
        for path, text in (("/notify/1", "all"), ("/from-a-thread/1", "again")):
            assert (await live.http.post(path, json={"text": text})).json() == {"reached": 2}
            await one.expect({"text": text})
            await two.expect({"text": text})
        assert (await live.http.post("/notify/2", json={"text": "nobody"})).json() == {"reached": 0}
        # The body is the model, not an object with a key for it: a hub is no body parameter.
        assert (await live.http.post("/notify/1", json={"body": {"text": "x"}})).status_code == 422
    assert live.hub.stats.sockets == 0


def test_an_application_without_a_hub_says_so() -> None:
    client = TestClient(chat(None))
    with pytest.raises(RuntimeError) as raised, client.websocket_connect("/rooms/1"):
        pass
    # The dependency comes first.
    assert str(raised.value) == (
        "chat.<locals>.hub_of_dependency asks for a Hub, but the application has none; give it one: App(hub=Hub())"
    )
    with pytest.raises(RuntimeError, match="notify asks for a Hub, but the application has none"):
        client.post("/notify/1", json={"text": "x"})


def told_at_the_start(app: App, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "wirefast"), TestClient(app):
        pass
    return [text for text in caplog.messages if "Hub" in text]


def place(function: Any) -> str:
    return f"{function.__qualname__}() in {__file__}, line {function.__code__.co_firstlineno}"


def test_a_missing_hub_is_told_when_the_application_starts(caplog: pytest.LogCaptureFixture) -> None:
    router = APIRouter()

    async def with_hub(hub: Hub) -> None: ...

    async def nested(one: Annotated[None, Depends(with_hub)]) -> None: ...

    @router.websocket("/a")
    async def first(websocket: WebSocket, hub: Hub) -> None: ...

    @router.get("/b", dependencies=[Depends(nested)])
    async def second() -> None: ...

    def including(*, hub: Hub | None = None, **options: Any) -> App:
        app = App(hub=hub, **options)
        app.include_router(router, prefix="/api")
        return app

    begin = (
        "A Hub is asked for, but the application has none, so that the calls fail; write App(hub=Hub()). Asked for by "
    )
    assert told_at_the_start(including(), caplog) == [f"{begin}{place(first)}; {place(with_hub)}"]
    assert told_at_the_start(including(hub=Hub()), caplog) == []
    assert told_at_the_start(App(), caplog) == []
    (many,) = told_at_the_start(chat(None), caplog)
    assert many.endswith(" and 1 more") and many.count("line ") == 3
    outer = App()
    outer.mount("/inner", including())
    assert told_at_the_start(outer, caplog) == [f"{begin}{place(first)}; {place(with_hub)}"]
    assert told_at_the_start(mounted(), caplog) == []


def test_a_missing_hub_of_typed_messages_is_told_when_the_application_starts(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    async def with_hub(hub: Hub) -> None: ...

    room = app.messages("/room", dependencies=[Depends(with_hub)])

    @room.on("note")
    async def noted(message: Note, hub: Hub) -> None: ...

    (said,) = told_at_the_start(app, caplog)
    assert said.endswith(f"Asked for by {place(noted)}; {place(with_hub)}")


def test_a_hub_of_a_dependency_that_is_replaced_is_not_missing(caplog: pytest.LogCaptureFixture) -> None:
    async def with_hub(hub: Hub) -> None: ...

    app, inner = App(), App()
    for each in (app, inner):
        each.get("/", dependencies=[Depends(with_hub)])(lambda: None)
        each.messages("/room", dependencies=[Depends(with_hub)])
    app.mount("/inner", inner)
    app.dependency_overrides[with_hub] = lambda: None
    assert len(told_at_the_start(app, caplog)) == 1  # of the inner application, which replaces nothing
    inner.dependency_overrides[with_hub] = lambda: None
    assert told_at_the_start(app, caplog) == []


def test_routes_of_others_may_have_handlers(caplog: pytest.LogCaptureFixture) -> None:
    class Other(BaseRoute):
        handlers = ("of its own",)

    app = App()
    app.router.routes.append(Other())
    assert told_at_the_start(app, caplog) == []


def test_a_hub_that_the_lifespan_makes_is_not_missing(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        async with Hub() as app.hub:
            yield

    app = chat(None, lifespan=lifespan)
    assert told_at_the_start(app, caplog) == []
    assert app.hub is not None


def test_a_hub_cannot_be_declared_as_anything_else() -> None:
    from wirefast import Query

    async def endpoint(hub: Annotated[Hub, Query()]) -> None: ...

    with pytest.raises(AssertionError, match="Cannot specify FastAPI annotation for type"):
        App().websocket("/")(endpoint)


def mounted() -> App:
    outer = App(hub=Hub())
    outer.mount("/inner", chat(None))
    outer.mount("/own", chat(Hub()))
    return outer


@pytest.mark.live(app=mounted)
async def test_a_mounted_application_uses_the_hub_around_it(live: Live) -> None:
    own = live.app.routes[-1].app.hub
    for path, hub in (("/inner/rooms/1", live.hub), ("/own/rooms/1", own)):
        async with live.connect(path) as peer:
            await peer.expect("joined")
            assert hub.count("room:1") == 1


@pytest.mark.live(app=lambda: App(hub=Hub()))
async def test_routers_and_overrides(live: Live) -> None:
    router = APIRouter()

    async def speaker(hub: Hub) -> Any:
        return hub.publish

    @router.get("/say")
    async def say(publish: Annotated[Any, Depends(speaker)]) -> Any:
        return await publish("room", "x")

    async def silent(hub: Hub) -> Any:
        async def publish(*_: Any) -> str:
            return f"silent {hub.count('room')}"

        return publish

    live.app.include_router(router, prefix="/v1")
    assert (await live.http.get("/v1/say")).json() == 0
    with live.override({speaker: silent}):
        assert (await live.http.get("/v1/say")).json() == "silent 0"


def test_the_hub_runs_around_the_lifespan() -> None:
    events: list[str] = []

    class Told(Hub):
        async def start(self) -> None:
            events.append("hub starts")
            await super().start()

        async def stop(self) -> None:
            await super().stop()
            events.append("hub stopped")

    @contextlib.asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, str]]:
        events.append("lifespan starts")
        assert app.hub is not None
        await app.hub.publish("room", "nobody yet")
        yield {"key": "value"}
        await app.hub.publish("room", "nobody any more")
        events.append("lifespan stopped")

    app = chat(Told(), lifespan=lifespan)

    @app.get("/state")
    async def state(request: Request) -> Any:
        return request.state.key

    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/state").json() == "value"
            events.append("served")
    assert events == ["hub starts", "lifespan starts", "served", "lifespan stopped", "hub stopped"] * 2


def test_handlers_of_events_go_on_working() -> None:
    events: list[str] = []
    app = App(hub=Hub(), on_startup=[lambda: events.append("up")], on_shutdown=[lambda: events.append("down")])
    with TestClient(app):
        assert events == ["up"]
    assert events == ["up", "down"]


def test_another_loop_is_pointed_out() -> None:
    """TestClient without ``with`` runs every socket in a loop of its own."""
    client = TestClient(chat(Hub()))
    with client.websocket_connect("/rooms/1") as one:
        assert one.receive_text() == "joined"
        with pytest.raises(RuntimeError, match="in tests `with TestClient\\(app\\) as client`"):
            with client.websocket_connect("/rooms/1") as two:
                two.receive_text()


@pytest.mark.parametrize(
    ("given", "said"), [("redis://localhost", "str"), (Hub, "the class Hub"), (5, "int")], ids=["url", "class", "int"]
)
def test_the_hub_of_an_application_is_a_hub(given: Any, said: str) -> None:
    with pytest.raises(TypeError, match=rf'^hub takes a Hub, such as Hub\(\) or Hub\("redis://..."\), not {said}$'):
        App(hub=given)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_hub_of_one_process_under_several_workers_warns_once(workers: str, tmp_path: Path) -> None:
    source = "from wirefast import App\nfrom wirefast.rooms import Hub\n\napp = App(hub=Hub())\n"
    (tmp_path / "served.py").write_text(source)
    # Without the private directory there is no relay either.
    with running("served.py", "--workers", workers, "--port", "0", "--no-control", cwd=tmp_path) as server:
        for _ in range(int(workers)):
            server.wait_for("Application startup complete")
        server.end()
        said = [line for line in server.lines if "has no broker" in line]
    assert len(said) == (workers == "2"), server.log
    assert all("each of the 2 workers has rooms of its own" in line for line in said)


@pytest.mark.parametrize(("value", "warned"), [("3", True), ("1", False), ("many", False)])
def test_the_number_of_workers_may_come_from_the_environment(
    value: str, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    under_gunicorn(value, monkeypatch)

    async def scenario() -> None:
        async with Hub():
            pass

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert bool(caplog.records) is warned


@pytest.mark.parametrize("starts", [True, False])
def test_a_process_that_is_no_worker_has_no_other_workers(
    starts: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")

    async def scenario() -> None:
        hub = Hub()
        if starts:
            async with hub:
                pass
        else:
            await hub.publish("room", "x")

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert caplog.records == []


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize(("value", "warned"), [("3", True), ("1", False)])
def test_a_hub_that_was_never_started_tells_of_other_workers_once(
    value: str, warned: bool, local: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    under_gunicorn(value, monkeypatch)

    async def scenario() -> None:
        hub = Hub(local=local)
        for _ in range(2):
            await hub.publish("room", "x")

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == (
        [
            "This hub was never started, so each of the 3 workers has rooms of its own; "
            "write App(hub=hub), or use `async with hub`"
        ]
        if warned and local
        else []
    )


def test_a_hub_that_is_used_after_its_end_tells_nothing_of_workers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    under_gunicorn("2", monkeypatch)

    async def scenario() -> None:
        hub = Hub()
        async with hub:
            pass
        await hub.publish("room", "x")

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    (record,) = caplog.records
    assert "has no broker" in record.getMessage()


def test_each_worker_tells_of_a_hub_that_was_never_started(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(
        "from wirefast import App\nfrom wirefast.rooms import Hub\n\nhub = Hub()\napp = App()\n\n\n"
        "@app.on_event('startup')\nasync def publish():\n    await hub.publish('room', 'x')\n"
    )
    with running("served.py", "--workers", "2", "--port", "0", cwd=tmp_path) as server:
        for _ in range(2):
            server.wait_for("Application startup complete")
        server.end()
        said = [line for line in server.lines if "This hub was never started" in line]
    assert len(said) == 2, server.log
