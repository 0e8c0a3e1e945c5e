"""App: what stands around the router, how refusals are explained, and FastAPI's arguments."""

import asyncio
import inspect
import json

import anyio
import fastapi
import pytest
import trio
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from asgi import Client, connect, websocket_scope
from wirefast import App, Depends, HTTPException, WebSocket, WebSocketDisconnect
from wirefast._core.session import WebSocketPipeline
from wirefast.exceptions import FastAPIDeprecationWarning, WebSocketRequestValidationError


class Marking:
    """Pure ASGI middleware that notes what passes."""

    def __init__(self, app, seen):
        self.app = app
        self.seen = seen

    async def __call__(self, scope, receive, send):
        self.seen.append(scope["type"])
        await self.app(scope, receive, send)


def with_route(app, **options):
    @app.websocket("/", **options)
    async def endpoint(websocket: WebSocket, n: int = 0):
        await websocket.accept()
        await websocket.send_json(n)

    return app


# ---- The stack ----


def test_without_middleware_websockets_go_the_short_way():
    app = with_route(App())
    assert connect(app, "/?n=5").texts == ["5"]
    assert type(app.middleware_stack) is WebSocketPipeline


def test_middleware_stands_around_websockets():
    seen = []
    app = with_route(App(middleware=[Middleware(Marking, seen=seen)]))
    assert connect(app, "/?n=5").texts == ["5"]
    assert seen == ["websocket"]
    assert type(app.middleware_stack) is not WebSocketPipeline
    app = with_route(App())
    app.add_middleware(Marking, seen=seen)
    assert connect(app).texts == ["0"]
    assert seen == ["websocket"] * 2


def test_http_middleware_lets_websockets_pass():
    seen = []
    app = with_route(App(routes=[]))

    @app.middleware("http")
    async def dispatch(request, call_next):
        seen.append(request.url.path)
        return await call_next(request)

    assert connect(app).texts == ["0"]
    assert seen == []
    TestClient(app).get("/x")
    assert seen == ["/x"]


def test_middleware_cannot_be_added_after_the_start():
    app = with_route(App())
    connect(app)
    with pytest.raises(RuntimeError):
        app.add_middleware(Marking, seen=[])


def test_one_application_inside_of_another():
    inner, outer = with_route(App()), App()
    outer.mount("/in", inner)
    assert connect(outer, "/in/?n=3").texts == ["3"]
    theirs = fastapi.FastAPI()
    theirs.mount("/in", inner)
    assert connect(theirs, "/in/?n=3").texts == ["3"]
    outer.mount("/theirs", theirs)
    assert connect(outer, "/theirs/in/?n=3").texts == ["3"]


# ---- Exceptions ----


class Mine(Exception):
    pass


@pytest.mark.parametrize("middleware", [False, True])
def test_handlers(middleware):
    """The same with and without the short way."""
    seen = []
    app = App(middleware=[Middleware(Marking, seen=[])] if middleware else [])

    @app.exception_handler(Mine)
    async def handler(websocket, exc):
        seen.append(type(websocket))
        await websocket.close(code=4000)

    @app.exception_handler(404)
    async def missing(websocket, exc):
        await websocket.close(code=4404)

    @app.websocket("/mine")
    async def mine(websocket: WebSocket):
        await websocket.accept()
        raise Mine

    @app.websocket("/status")
    async def status(websocket: WebSocket):
        await websocket.accept()
        raise HTTPException(404)

    @app.websocket("/other")
    async def other(websocket: WebSocket):
        raise LookupError

    assert connect(app, "/mine").sent[-1]["code"] == 4000
    assert connect(app, "/status").sent[-1]["code"] == 4404
    assert issubclass(seen[0], WebSocket)
    with pytest.raises(LookupError):
        connect(app, "/other")


def test_what_the_peer_ends_leaves_the_application():
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await websocket.receive_text()

    with pytest.raises(WebSocketDisconnect):
        connect(app)


# ---- Refused handshakes ----


def refused(app, **scope):
    return connect(app, "/?n=x", **scope).sent


def test_refusals_by_default():
    (close,) = refused(with_route(App()))
    assert (close["type"], close["code"]) == ("websocket.close", 1008)
    assert [(error["type"], error["loc"]) for error in json.loads(close["reason"])] == [("int_parsing", ["query", "n"])]


def test_refusals_by_http():
    start, body = refused(with_route(App(explain_rejections="http")))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 422)
    assert json.loads(body["body"])["detail"][0]["loc"] == ["query", "n"]
    # A server without the extension gets the close.
    (close,) = refused(with_route(App(explain_rejections="http")), extensions={})
    assert close["code"] == 1008


def test_refusals_by_close():
    accept, close = refused(with_route(App(explain_rejections="close")), subprotocols=["bad one", "chat"])
    assert (accept["type"], accept["subprotocol"]) == ("websocket.accept", "chat")
    assert (close["type"], close["code"]) == ("websocket.close", 1008)
    assert 0 < len(close["reason"].encode()) <= 123


@pytest.mark.parametrize("explain", [None, "http", "close"])
def test_a_handler_of_ones_own_comes_first(explain):
    async def handler(websocket, exc):
        await websocket.close(code=4422)

    app = with_route(App(explain_rejections=explain, exception_handlers={WebSocketRequestValidationError: handler}))
    assert refused(app)[-1]["code"] == 4422


@pytest.mark.parametrize("explain", ["", "https", "handshake", True])
def test_other_explanations_are_refused(explain):
    with pytest.raises(ValueError, match='must be None, "http" or "close"'):
        App(explain_rejections=explain)


# ---- Other event loops, enclosing scopes ----


def events_app(events):
    app = App()

    async def dependency():
        events.append("in")
        try:
            yield "value"
        finally:
            await anyio.sleep(0)
            events.append("out")

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, value: str = Depends(dependency)):  # noqa: B008
        await websocket.accept()
        await websocket.send_text(value)
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    return app


class AnyioClient(Client):
    async def receive(self):
        await anyio.sleep(0)
        return await super().receive()


@pytest.mark.parametrize("run", [trio.run, lambda function: asyncio.run(function())], ids=["trio", "asyncio"])
@pytest.mark.parametrize("enclosed", [False, True])
def test_backends_and_scopes(run, enclosed):
    events = []
    app = events_app(events)

    async def main():
        client = AnyioClient("echo")
        if enclosed:
            async with anyio.create_task_group() as group:
                group.start_soon(client.connect, app)
        else:
            await client.connect(app)
        assert client.texts == ["value", "echo"]

    run(main)
    assert events == ["in", "out"]


@pytest.mark.parametrize("run", [trio.run, lambda function: asyncio.run(function())], ids=["trio", "asyncio"])
def test_clean_up_is_shielded_from_an_enclosing_scope(run):
    events = []
    app = events_app(events)

    class Silent(AnyioClient):
        async def receive(self):
            if len(self.events) == 1:
                await anyio.sleep_forever()
            return await super().receive()

    async def main():
        with anyio.CancelScope() as scope:
            client = Silent()
            async with anyio.create_task_group() as group:
                group.start_soon(client.connect, app)
                await anyio.wait_all_tasks_blocked()
                assert events == ["in"]
                scope.cancel()

    run(main)
    assert events == ["in", "out"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_testclient(backend):
    events = []
    with TestClient(events_app(events), backend=backend).websocket_connect("/") as session:
        assert session.receive_text() == "value"
        session.send_text("echo")
        assert session.receive_text() == "echo"
        with pytest.raises(WebSocketDisconnect):
            session.receive_text()
    assert events == ["in", "out"]


# ---- FastAPI's arguments ----


def test_every_argument_of_fastapi_that_concerns_serving():
    theirs = inspect.signature(fastapi.FastAPI.__init__).parameters
    ours = inspect.signature(App.__init__).parameters
    for name, parameter in ours.items():
        if name in theirs and name != "self" and "Default" not in repr(parameter.default):
            assert parameter.default == theirs[name].default, name
            assert parameter.kind is theirs[name].kind, name
    ours_alone = {"asyncapi_docs_url", "asyncapi_url", "explain_rejections", "hub", "openapi_websockets", "origins"}
    ours_alone |= {"limits", "metrics", "secret_parameters", "warn_long_lived"}
    assert set(ours) - set(theirs) == ours_alone
    assert set(theirs) - set(ours) <= {"extra", "telemetry"}


def test_state_of_the_lifespan_reaches_connections():
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text(websocket.state.name)
        assert websocket.app is app

    assert connect(app, state={"name": "db"}).texts == ["db"]


def test_root_path_is_deprecated_and_works():
    with pytest.warns(FastAPIDeprecationWarning, match="root_path"):
        app = App(root_path="/api")
    with_route(app)
    scope = websocket_scope("/api/")
    client = Client()
    asyncio.run(app(scope, client.receive, client.send))
    assert client.texts == ["0"]
    assert scope["root_path"] == "/api"


def test_routers_and_routes_given_at_once():
    app = App()
    app.add_api_websocket_route("/a", lambda websocket: None, name="named")
    assert app.url_path_for("named") == "/a"
    app.router.add_route("/http", lambda request: PlainTextResponse("x"))
    assert TestClient(app).get("/http").text == "x"


def test_on_event_is_deprecated():
    with pytest.warns(DeprecationWarning, match="lifespan"):
        App().on_event("startup")
