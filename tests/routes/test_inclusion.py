"""Included routers: live at any depth, each route under the prefixes and dependencies above it, copied once."""

import threading
from typing import Annotated

import fastapi
import pytest
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, Route, Router, WebSocketRoute

from asgi import connect
from wirefast import APIRouter, App, Depends, WebSocket, routing
from wirefast.routes.include_context import RouterIncludeContext
from wirefast.routes.inclusion import (
    RouteContext,
    _IncludedRouter,
    contains_router,
    iter_route_contexts,
)
from wirefast.routes.route_list import RouteList
from wirefast.routing import APIWebSocketRoute
from wirefast.testclient import TestClient


async def endpoint(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(websocket.url.path)


def nested():
    """app /a <- middle /m <- inner /i, with one route in each; the routers."""
    inner, middle, app = APIRouter(prefix="/i"), APIRouter(prefix="/m"), App(openapi_url=None)
    inner.websocket("/x", name="x")(endpoint)
    middle.websocket("/y", name="y")(endpoint)
    middle.include_router(inner, prefix="/n")
    app.include_router(middle, prefix="/a")
    return app, middle, inner


# ---- The list ----


def changes():
    route = Route("/", lambda request: None)
    yield "append", lambda routes: routes.append(route)
    yield "extend", lambda routes: routes.extend([route])
    yield "insert", lambda routes: routes.insert(0, route)
    yield "remove", lambda routes: routes.remove(routes[0])
    yield "pop", lambda routes: routes.pop()
    yield "clear", lambda routes: routes.clear()
    yield "reverse", lambda routes: routes.reverse()
    yield "sort", lambda routes: routes.sort(key=lambda route: route.path, reverse=True)
    yield "setitem", lambda routes: routes.__setitem__(0, route)
    yield "delitem", lambda routes: routes.__delitem__(0)
    yield "slice", lambda routes: routes.__setitem__(slice(0, 1), [])
    yield "iadd", lambda routes: routes.__iadd__([route])
    yield "imul", lambda routes: routes.__imul__(2)


@pytest.mark.parametrize(("name", "change"), list(changes()), ids=[name for name, _ in changes()])
def test_every_change_is_reported_after_it_happened(name, change):
    seen = []
    start = [Route("/1", lambda request: None), Route("/2", lambda request: None)]
    routes = RouteList(lambda: seen.append(list(routes)), start)
    plain = list(start)
    change(routes)
    change(plain)
    assert [route.path for route in routes] == [route.path for route in plain]
    assert seen == [list(routes)]


def test_no_method_that_changes_a_list_was_forgotten():
    unchanging = {"copy", "count", "index"}
    for name in dir(list):
        if not name.startswith("_") and name not in unchanging:
            assert name in vars(RouteList), name
    for name in ("__setitem__", "__delitem__", "__iadd__", "__imul__"):
        assert name in vars(RouteList), name


# ---- Effective routes ----


def test_paths_are_joined_from_the_outside_in():
    app, _, _ = nested()
    assert [context.path for context in iter_route_contexts(app.routes)] == ["/a/m/y", "/a/m/n/i/x"]
    assert connect(app, "/a/m/n/i/x").texts == ["/a/m/n/i/x"]
    assert connect(app, "/a/m/y").texts == ["/a/m/y"]


def test_a_route_is_copied_once(monkeypatch):
    app, middle, inner = nested()
    first = [context.effective for context in iter_route_contexts(app.routes)]
    assert [context.effective for context in iter_route_contexts(app.routes)] == first
    inner.websocket("/new")(endpoint)
    second = [context.effective for context in iter_route_contexts(app.routes)]
    assert second[:2] == first and second[0] is first[0] and second[1] is first[1]
    assert second[2].path == "/a/m/n/i/new"


def test_a_route_put_in_the_place_of_another_is_copied_anew():
    app, _, inner = nested()
    for i in range(20):
        # The old route is freed, so a new one may lie at its address.
        inner.routes[0] = APIWebSocketRoute(f"/{i}", endpoint)
        assert [context.path for context in iter_route_contexts(app.routes)][-1] == f"/a/m/n/{i}"


def test_the_same_router_twice():
    inner, app = APIRouter(), App(openapi_url=None)
    inner.websocket("/x")(endpoint)
    app.include_router(inner, prefix="/one")
    app.include_router(inner, prefix="/two")
    assert connect(app, "/one/x").texts == ["/one/x"]
    assert connect(app, "/two/x").texts == ["/two/x"]


def test_dependencies_are_joined_and_the_declared_route_is_not_touched():
    async def outer(): ...

    async def own(): ...

    inner, app = APIRouter(), App(openapi_url=None)
    inner.websocket("/x", dependencies=[Depends(own)])(endpoint)
    app.include_router(inner, dependencies=[Depends(outer)])
    (context,) = iter_route_contexts(app.routes)
    assert [item.dependency for item in context.effective.dependencies] == [outer, own]
    assert [item.dependency for item in context.route.dependencies] == [own]


def test_overrides_of_the_application_apply_to_included_routes():
    async def original():
        return "original"

    inner, app = APIRouter(), App(openapi_url=None)

    @inner.websocket("/x")
    async def asks(websocket: WebSocket, value: str = Depends(original)):  # noqa: B008
        await websocket.accept()
        await websocket.send_text(value)

    app.include_router(inner)
    app.dependency_overrides[original] = lambda: "replaced"
    assert connect(app, "/x").texts == ["replaced"]
    assert connect(inner, "/x").texts == ["original"]


def test_every_kind_of_route_is_prefixed():
    mounted = Router(routes=[WebSocketRoute("/x", endpoint)])
    inner = APIRouter(
        routes=[
            WebSocketRoute("/plain", endpoint, name="plain"),
            Route("/http", lambda request: None, name="http"),
            Mount("/m", app=mounted),
            Host("other.org", app=mounted),
        ]
    )
    app = App(openapi_url=None)
    app.include_router(inner, prefix="/p")
    effective = [context.effective for context in iter_route_contexts(app.routes)]
    assert [getattr(route, "path", None) for route in effective] == ["/p/plain", "/p/http", "/p/m", None]
    assert all(map(isinstance, effective, (WebSocketRoute, Route, Mount, Host)))
    assert connect(app, "/p/plain").texts == ["/p/plain"]
    assert connect(app, "/p/m/x").texts == ["/p/m/x"]
    assert connect(app, "/p/x", headers=[("host", "other.org")]).texts == ["/p/x"]
    assert connect(app, "/x", headers=[("host", "other.org")]).texts == []


def test_routes_of_fastapi():
    theirs = fastapi.APIRouter(prefix="/r")

    @theirs.websocket("/{n}")
    async def numbered(websocket: fastapi.WebSocket, n: int):
        await websocket.accept()
        await websocket.send_json(n)

    app = App(openapi_url=None)
    app.include_router(theirs, prefix="/p")
    assert connect(app, "/p/r/7").texts == ["7"]


# ---- Code that walks the routes by itself ----


def test_an_included_router_answers_like_a_route():
    app, _, _ = nested()
    (included,) = app.routes
    assert isinstance(included, _IncludedRouter)
    assert "prefix='/a'" in repr(included)
    scope = {"type": "websocket", "path": "/a/m/n/i/x", "headers": []}
    assert included.matches({**scope, "path": "/none"})[0] is Match.NONE
    with pytest.raises(AttributeError, match="no path of its own"):
        included.path  # noqa: B018
    assert included.matches(scope) == (Match.FULL, {})
    assert included.path == "/a/m/n/i/x"
    assert included.matches({**scope, "path": "/none"})[0] is Match.NONE
    assert included.url_path_for("x") == "/a/m/n/i/x"
    # In a router of Starlette's, which asks it and lets it handle.
    assert connect(Router(routes=app.routes), "/a/m/n/i/x").texts == ["/a/m/n/i/x"]


def test_partial_matches_of_http_methods():
    inner, app = APIRouter(), App(openapi_url=None)

    @inner.get("/x")
    def read(): ...

    app.include_router(inner)
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": []}
    assert app.routes[0].matches(scope) == (Match.PARTIAL, {})


def test_route_contexts():
    app, _, inner = nested()
    context = list(iter_route_contexts(app.routes))[-1]
    assert context.route is context.original_route is inner.routes[0]
    assert (context.path, context.name, context.endpoint, context.methods) == ("/a/m/n/i/x", "x", endpoint, None)
    assert context.dependant is context.effective.dependant
    assert list(iter_route_contexts([context])) == [context]
    with pytest.raises(AttributeError):
        getattr(context, "nonsense")  # noqa: B009
    host = RouteContext(Host("x", app=app), Host("x", app=app))
    assert host.path is None


def test_contains_router():
    app, middle, inner = nested()
    assert contains_router(app, inner) and contains_router(middle, inner)
    assert not contains_router(inner, middle)


# ---- Contexts ----


def test_a_context_below_another():
    outer = RouterIncludeContext(
        included_router="outer", prefix="/o", tags=["o"], dependencies=["d1"], responses={1: {}, 2: {"o": 1}},
        include_in_schema=True, max_body_size=10, form_limits={"max_files": 1, "max_fields": 1},
        dependency_overrides_provider="app",
    )  # fmt: skip
    inner = RouterIncludeContext(
        included_router="inner", prefix="/i", tags=["i"], dependencies=["d2"], responses={2: {"i": 1}}, deprecated=True,
        include_in_schema=False, form_limits={"max_files": 2}, dependency_overrides_provider="none",
    )  # fmt: skip
    both = outer.below(inner)
    assert (both.included_router, both.prefix) == ("inner", "/o/i")
    assert (both.tags, both.dependencies) == (["o", "i"], ["d1", "d2"])
    assert both.responses == {1: {}, 2: {"i": 1}}
    assert (both.deprecated, both.include_in_schema, both.max_body_size) == (True, False, 10)
    assert both.form_limits == {"max_files": 2, "max_fields": 1}
    assert both.dependency_overrides_provider == "app"
    inner.max_body_size = 5
    assert outer.below(inner).max_body_size == 5


def test_threads_that_ask_at_once_get_one_copy_of_each_route():
    class Item(BaseModel):
        number: Annotated[int, Field(alias="of")] = 1

    router, app = APIRouter(), App()
    for index in range(60):

        @router.get(f"/items/{index}")
        def read(index: int = index) -> Item:
            return Item(of=index)

    app.include_router(router)
    included, barrier, found = app.router.routes[-1], threading.Barrier(6), []

    def ask():
        barrier.wait()
        found.append(included.effective_candidates())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and all(one is found[0] for one in found) and len(found[0]) == 60
    assert TestClient(app).get("/items/7").json() == {"of": 7}


def test_routes_that_a_fastapi_router_gets_in_its_list():
    router, app = fastapi.APIRouter(), App()
    app.include_router(router, prefix="/in")
    included = app.router.routes[-1]
    assert included.effective_candidates() == []
    router.routes.append(Route("/x", lambda request: PlainTextResponse("x")))
    assert [route.path for route in included.effective_candidates()] == ["/in/x"]
    assert included.effective_candidates() is included.effective_candidates()


def test_candidates_of_an_include():
    inner, outer = APIRouter(), APIRouter()
    inner.get("/operation")(lambda: 1)
    inner.add_route("/plain", lambda request: PlainTextResponse("x"))
    outer.include_router(inner, prefix="/in")
    # FastAPI's: an operation as it was declared, a route of Starlette's as it is reached.
    found = list(routing._iter_included_route_candidates(outer.routes))
    assert [route.path for route in found] == ["/operation", "/in/plain"] and found[0] is inner.routes[0]


@pytest.mark.parametrize(
    ("scope", "previous", "wanted"),
    [
        ({}, 1, {}),
        ({"fastapi": "x"}, 1, {"fastapi": "x"}),
        ({"fastapi": {"key": 2, "other": 3}}, 1, {"fastapi": {"key": 1, "other": 3}}),
        ({"fastapi": {"key": 2}}, routing._SCOPE_MISSING, {"fastapi": {}}),
    ],
)
def test_what_the_scope_had_is_put_back(scope, previous, wanted):
    routing._restore_fastapi_scope_key(scope, "key", previous)
    assert scope == wanted


def test_the_route_whose_handler_is_made():
    made = []

    class Watching(routing.APIRoute):
        def get_route_handler(self):
            current = routing._effective_route_context_var.get()
            made.append(current and (current.path, current.original_route is router.routes[0]))
            return super().get_route_handler()

    router, app = APIRouter(route_class=Watching), App()
    router.get("/x")(lambda: 1)
    app.include_router(router, prefix="/in")
    assert TestClient(app).get("/in/x").json() == 1
    assert made == [None, ("/in/x", True)] and routing._effective_route_context_var.get() is None
