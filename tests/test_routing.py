"""APIRouter: what is served, when the frozen tables are made anew, and what must not be passed by."""

import asyncio
import gc
import threading
import weakref
from typing import Annotated

import pytest
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, NoMatchFound, Route, Router, WebSocketRoute
from starlette.testclient import TestClient

from asgi import Client, connect, websocket_scope
from exchanges import respond
from wirefast import APIRouter, App, Depends, WebSocket
from wirefast.exceptions import FastAPIError, WebSocketRequestValidationError
from wirefast.routes import selecting as module
from wirefast.routing import APIWebSocketRoute, get_websocket_app, request_response, websocket_session


def answering(text):
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text(text)

    return endpoint


def answer(app, target, **scope):
    """The text that a route answers with, None where nothing matched."""
    texts = connect(app, target, **scope).texts
    return texts[0] if texts else None


def add(router, path, text):
    router.websocket(path)(answering(text))


@pytest.fixture
def freezes(monkeypatch):
    """How often a route table was made."""
    made = []
    table = module.RouteTable
    monkeypatch.setattr(module, "RouteTable", lambda *args: made.append(args) or table(*args))
    return made


# ---- Freezing ----


def test_one_table_a_protocol_for_many_connections(freezes):
    router = APIRouter()
    add(router, "/a", "a")
    for _ in range(5):
        assert answer(router, "/a") == "a"
        assert answer(router, "/none") is None
    assert len(freezes) == 1
    client = TestClient(router)
    assert [client.get("/none").status_code for _ in range(3)] == [404] * 3
    assert len(freezes) == 2


@pytest.mark.parametrize("when", ["append", "insert", "extend", "iadd", "setitem", "slice", "assign"])
def test_a_route_added_while_serving_is_served(when):
    router = APIRouter()
    add(router, "/a", "a")
    assert answer(router, "/b") is None
    new = APIWebSocketRoute("/b", answering("b"))
    if when == "append":
        router.routes.append(new)
    elif when == "insert":
        router.routes.insert(0, new)
    elif when == "extend":
        router.routes.extend([new])
    elif when == "iadd":
        router.routes += [new]
    elif when == "setitem":
        router.routes[0] = new
    elif when == "slice":
        router.routes[1:] = [new]
    else:
        router.routes = [*router.routes, new]
    assert answer(router, "/b") == "b"
    assert answer(router, "/a") == (None if when == "setitem" else "a")


@pytest.mark.parametrize("when", ["remove", "pop", "del", "clear", "assign"])
def test_a_route_taken_away_is_served_no_more(when):
    router = APIRouter()
    add(router, "/a", "a")
    assert answer(router, "/a") == "a"
    if when == "remove":
        router.routes.remove(router.routes[0])
    elif when == "pop":
        router.routes.pop()
    elif when == "del":
        del router.routes[0]
    elif when == "clear":
        router.routes.clear()
    else:
        router.routes = []
    assert answer(router, "/a") is None


@pytest.mark.parametrize("when", ["reverse", "sort"])
def test_the_order_can_change(when):
    router = APIRouter()
    add(router, "/{x}", "general")
    add(router, "/a", "special")
    assert answer(router, "/a") == "general"
    if when == "reverse":
        router.routes.reverse()
    else:
        router.routes.sort(key=lambda route: route.path)
    assert answer(router, "/a") == "special"


def test_routes_of_included_routers_added_later(freezes):
    inner, middle, app = APIRouter(prefix="/inner"), APIRouter(prefix="/middle"), App()
    middle.include_router(inner)
    app.include_router(middle)
    assert answer(app, "/middle/inner/x") is None
    add(inner, "/x", "x")
    assert answer(app, "/middle/inner/x") == "x"
    add(middle, "/y", "y")
    assert answer(app, "/middle/y") == "y"
    assert len(freezes) == 3
    for _ in range(3):
        assert answer(app, "/middle/inner/x") == "x"
    assert len(freezes) == 3


def test_a_connection_in_service_keeps_its_route():
    app = App()
    opened = asyncio.Event()
    go_on = asyncio.Event()

    @app.websocket("/a")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        opened.set()
        await go_on.wait()
        await websocket.send_text("still here")

    async def main():
        client = Client()
        task = asyncio.create_task(client.connect(app, "/a"))
        await opened.wait()
        app.routes.clear()
        assert (await Client().connect(app, "/a")).texts == []
        go_on.set()
        await task
        assert client.texts == ["still here"]

    asyncio.run(main())


def test_routes_can_be_added_from_another_thread_while_connections_are_matched():
    router = APIRouter()
    add(router, "/start", "start")
    failures = []
    done = threading.Event()

    def adding():
        try:
            for i in range(200):
                add(router, f"/{i}", str(i))
        except Exception as exc:
            failures.append(exc)
        finally:
            done.set()

    thread = threading.Thread(target=adding)
    thread.start()
    while not done.is_set():
        assert answer(router, "/start") == "start"
    thread.join()
    assert failures == []
    assert answer(router, "/199") == "199"


def test_a_router_that_was_included_does_not_keep_its_parent():
    inner, app = APIRouter(), App()
    app.include_router(inner)
    parent = weakref.ref(app.router)
    del app
    gc.collect()
    assert parent() is None
    add(inner, "/", "x")


# ---- Routes that are not ours ----


def test_every_kind_of_route_keeps_its_place():
    mounted = Router(routes=[WebSocketRoute("/x", answering("mounted"))])
    router = APIRouter(
        routes=[
            WebSocketRoute("/plain", answering("plain")),
            Mount("/m", app=mounted),
            Host("other.org", app=Router(routes=[WebSocketRoute("/{rest:path}", answering("host"))])),
        ]
    )
    add(router, "/m/x", "shadowed")
    add(router, "/{rest:path}", "last")
    assert [answer(router, path) for path in ("/plain", "/m/x", "/m/y", "/z")] == ["plain", "mounted", None, "last"]
    assert answer(router, "/z", headers=[("host", "other.org")]) == "host"
    assert answer(router, "/plain", headers=[("host", "other.org")]) == "plain"


def test_http_routes_never_match_websockets():
    app = App(routes=[Route("/a", lambda request: PlainTextResponse("http"))])
    add(app, "/a", "ws")
    assert answer(app, "/a") == "ws"
    assert TestClient(app).get("/a").text == "http"


class LoudRoute(WebSocketRoute):
    async def handle(self, scope, receive, send):
        await answering("handled")(WebSocket(scope, receive, send))


class LoudAPIRoute(APIWebSocketRoute):
    async def handle(self, scope, receive, send):
        await answering("handled")(WebSocket(scope, receive, send))


class PickyRoute(APIWebSocketRoute):
    def matches(self, scope):
        if b"picky" not in scope["query_string"]:
            return Match.NONE, {}
        return super().matches(scope)


class MiddlewareLike(APIWebSocketRoute):
    """Changes its application after it was built."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        inner = self.app

        async def app(scope, receive, send):
            scope["state"]["seen"] = True
            await inner(scope, receive, send)

        self.app = app


def test_subclasses_keep_their_methods():
    for kind in (LoudRoute, LoudAPIRoute):
        assert answer(APIRouter(routes=[kind("/a", answering("endpoint"))]), "/a") == "handled"
    router = APIRouter(routes=[PickyRoute("/a", answering("picky"))])
    add(router, "/a", "other")
    assert [answer(router, target) for target in ("/a", "/a?picky")] == ["other", "picky"]
    state = {}
    assert answer(APIRouter(routes=[MiddlewareLike("/a", answering("a"))]), "/a", state=state) == "a"
    assert state == {"seen": True}


def test_a_method_with_fastapis_signature_may_replace_ours():
    class Noting(APIRouter):
        def add_api_websocket_route(self, path, endpoint, name=None, *, dependencies=None):
            noted.append(path)
            super().add_api_websocket_route(path, endpoint, name, dependencies=dependencies)

    noted = []
    app = App()
    app.router = Noting()
    app.websocket("/a")(answering("a"))
    app.add_api_websocket_route("/b", answering("b"))
    assert [answer(app, path) for path in noted] == ["a", "b"]


def test_a_router_whose_app_is_replaced():
    class Counting(APIRouter):
        count = 0

        async def app(self, scope, receive, send):
            self.count += 1
            await super().app(scope, receive, send)

    app = App()
    app.router = Counting(routes=app.router.routes)
    add(app.router, "/a", "a")
    assert answer(app, "/a") == "a"
    assert app.router.count == 1


# ---- The scope ----


def test_what_the_scope_says():
    seen = []

    async def endpoint(websocket: WebSocket, x: int):
        seen.append(websocket.scope)

    app = App()
    router = APIRouter(prefix="/in")
    router.websocket("/{x:int}", name="named")(endpoint)
    app.include_router(router, prefix="/pre")
    connect(app, "/pre/in/7")
    scope = seen[0]
    assert scope["path_params"] == {"x": 7}
    assert scope["endpoint"] is endpoint
    assert scope["route"].path == "/pre/in/{x:int}"
    assert scope["router"] is app.router
    assert scope["app"] is app


def test_unmatched():
    client = connect(App(), "/none")
    assert client.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]
    seen = []

    async def default(scope, receive, send):
        seen.append(scope["path"])

    connect(APIRouter(default=default), "/none")
    assert seen == ["/none"]


# ---- Declaring ----


@pytest.mark.parametrize(
    ("prefix", "words"),
    [("x", "must start with '/'"), ("/x/", "must not end with '/'"), ("/", "must not end with '/'")],
)
def test_prefixes(prefix, words):
    with pytest.raises(AssertionError, match=words):
        APIRouter(prefix=prefix)
    with pytest.raises(AssertionError, match=words):
        APIRouter().include_router(APIRouter(), prefix=prefix)


def test_including_oneself():
    first, second, third = APIRouter(prefix="/a"), APIRouter(prefix="/b"), APIRouter(prefix="/c")
    with pytest.raises(AssertionError, match="into itself"):
        first.include_router(first)
    first.include_router(second)
    second.include_router(third)
    with pytest.raises(AssertionError, match="already includes this router"):
        third.include_router(first)


def test_an_empty_path_needs_a_prefix():
    inner = APIRouter()
    add(inner, "", "empty")
    with pytest.raises(FastAPIError, match="Prefix and path cannot be both empty"):
        App().include_router(inner)
    app = App()
    app.include_router(inner, prefix="/pre")
    assert [answer(app, path) for path in ("/pre", "/pre/")] == ["empty", None]


def test_decorators_give_the_function_back():
    router = APIRouter()
    endpoint = answering("x")
    assert router.websocket("/a")(endpoint) is endpoint
    assert router.websocket_route("/b")(endpoint) is endpoint
    router.add_websocket_route("/c", type("Endpoint", (WebSocketEndpoint,), {}))
    assert [type(route) for route in router.routes] == [APIWebSocketRoute, WebSocketRoute, WebSocketRoute]
    assert router.routes[0].name == "endpoint"
    assert repr(router.routes[0]) == "APIWebSocketRoute(path='/a', name='endpoint')"


def test_url_path_for():
    router = APIRouter(prefix="/r")
    router.websocket("/{x:int}", name="named")(answering("x"))
    app = App()
    app.include_router(router, prefix="/pre")
    assert app.url_path_for("named", x=5) == "/pre/r/5"
    assert app.url_path_for("named", x=5).protocol == "websocket"
    for name, params in (("named", {}), ("other", {"x": 5}), ("named", {"x": 5, "y": 6})):
        with pytest.raises(NoMatchFound):
            app.url_path_for(name, **params)


def test_dependencies_of_the_router_come_first():
    calls = []

    def noting(name):
        async def dependency():
            calls.append(name)

        return Depends(dependency)

    inner = APIRouter(dependencies=[noting("inner")])
    inner.websocket("/", dependencies=[noting("route")])(answering("x"))
    app = App(dependencies=[noting("app")])
    app.include_router(inner, prefix="/a", dependencies=[noting("include")])
    assert answer(app, "/a/") == "x"
    assert calls == ["app", "include", "inner", "route"]


def test_a_router_serves_alone_and_raises_what_nobody_handles():
    router = APIRouter()

    @router.websocket("/")
    async def endpoint(websocket: WebSocket, n: int): ...

    with pytest.raises(WebSocketRequestValidationError) as caught:
        connect(router, "/?n=x")
    text = str(caught.value)
    assert "1 validation error" in text and "in endpoint" in text and "WS /" in text


# ---- FastAPI's functions ----


def test_websocket_session():
    seen = []

    async def handler(websocket, exc):
        seen.append(exc.args)

    async def function(websocket):
        await answering("x")(websocket)
        raise LookupError("late")

    app = websocket_session(function)
    assert connect(app, **{"starlette.exception_handlers": ({LookupError: handler}, {})}).texts == ["x"]
    assert seen == [("late",)]


def test_get_websocket_app():
    left = []

    async def dependency():
        yield "value"
        left.append(True)

    async def endpoint(websocket: WebSocket, n: int, value: Annotated[str, Depends(dependency)]):
        await websocket.accept()
        await websocket.send_json([n, value])

    route = APIWebSocketRoute("/", endpoint)
    app = websocket_session(get_websocket_app(route.dependant))
    assert connect(app, "/?n=5").texts == ['[5,"value"]']
    assert left == [True]
    with pytest.raises(WebSocketRequestValidationError):
        connect(app, "/?n=x")


def test_selection_updates_the_scope_it_was_given():
    app = App(openapi_url=None)
    add(app, "/a", "a")
    scope = websocket_scope("/a")
    assert app.router.select_websocket(scope) is app.routes[0].app
    assert scope["route"] is app.routes[0]


def test_request_response_makes_an_application_of_a_function():
    async def answer(request):
        return PlainTextResponse(request.url.path)

    assert respond(request_response(answer), "GET", "/path").body == b"/path"
