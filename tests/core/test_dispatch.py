"""The frozen table of one router: the first route declared among those that match, and what the scope says then."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette._utils import get_route_path
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Route, WebSocketRoute

from asgi import websocket_scope
from wirefast import APIRouter, App
from wirefast._core import dispatch as module
from wirefast._core.dispatch import Entry, Opaque, RouteTable
from wirefast._core.pace import PacedApp
from wirefast.routing import APIRoute
from wirefast.testclient import TestClient


async def endpoint(websocket):
    raise AssertionError("routes are selected here, not run")


class Asked(BaseRoute):
    """A route that must be asked; counts how often it is."""

    def __init__(self, answer):
        self.answer = answer
        self.count = 0

    def matches(self, scope):
        self.count += 1
        return self.answer, {"asked": self}

    async def handle(self, scope, receive, send):
        raise AssertionError


def websocket_table(*routes, named=False):
    entries = [Entry(i, r, None, named) for i, r in enumerate(routes) if isinstance(r, WebSocketRoute)]
    return RouteTable(entries, [Opaque(i, r) for i, r in enumerate(routes) if not isinstance(r, WebSocketRoute)])


def http_table(*routes):
    entries = [Entry(i, r, r.methods or set(), False) for i, r in enumerate(routes) if isinstance(r, Route)]
    return RouteTable(entries, [Opaque(i, r) for i, r in enumerate(routes) if not isinstance(r, Route)])


def target(table, scope):
    """What a route that is not ours is called by, without what lets the loop turn."""
    app = table.select_http(scope)
    assert type(app) is PacedApp
    return app.app


def http_scope(path="/", method="GET"):
    return {**websocket_scope(path), "type": "http", "method": method}


def ws(path):
    return WebSocketRoute(path, endpoint)


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


def test_the_first_declared_wins():
    general, special = ws("/a/{x}"), ws("/a/me")
    assert websocket_table(general, special).select_websocket(websocket_scope("/a/me")) is general.app
    assert websocket_table(special, general).select_websocket(websocket_scope("/a/me")) is special.app
    assert websocket_table(special, general).select_websocket(websocket_scope("/a/you")) is general.app


def test_no_match_leaves_the_scope_alone():
    scope = websocket_scope("/none")
    assert websocket_table(ws("/a")).select_websocket(scope) is None
    assert RouteTable([], []).select_websocket(scope) is None
    assert scope == websocket_scope("/none")


@pytest.mark.parametrize("named", [False, True])
def test_what_the_scope_says_after_a_match(named):
    route = ws("/a/{x:int}")
    scope = websocket_scope("/a/7", path_params={"outer": "o", "x": "hidden"})
    websocket_table(route, named=named).select_websocket(scope)
    assert scope["path_params"] == {"outer": "o", "x": 7}
    assert scope["endpoint"] is endpoint
    assert scope.get("route") is (route if named else None)


@pytest.mark.parametrize(("answer", "wins"), [(Match.FULL, True), (Match.PARTIAL, False), (Match.NONE, False)])
def test_a_route_that_must_be_asked_keeps_its_place(answer, wins):
    asked, route = Asked(answer), ws("/a")
    scope = websocket_scope("/a")
    assert (websocket_table(asked, route).select_websocket(scope) == asked.handle) is wins
    assert ("asked" in scope) is wins

    # Declared later, it is not even asked.
    asked.count = 0
    assert websocket_table(route, asked).select_websocket(websocket_scope("/a")) is route.app
    assert asked.count == 0
    assert (websocket_table(route, asked).select_websocket(websocket_scope("/b")) == asked.handle) is wins
    assert asked.count == 1


@example("/root/path", "/root")
@example("/rootless", "/root")
@example("/root", "/root")
@example("/root/", "/root/")
@example("/other", "/root")
@given(st.text("/ab", max_size=6), st.text("/ab", max_size=4))
def test_the_path_below_root_path_is_starlettes(path, root_path):
    scope = websocket_scope("/", path=path, root_path=root_path)
    route = ws("/{rest:path}")
    expected = get_route_path(scope)
    matched = websocket_table(route).select_websocket(scope) is not None
    assert matched is expected.startswith("/")
    if matched:
        assert scope["path_params"]["rest"] == expected[1:]


def test_root_path_may_be_missing():
    scope = websocket_scope("/a")
    del scope["root_path"]
    assert websocket_table(ws("/a")).select_websocket(scope) is not None


def test_http_prefers_the_right_method():
    get, post = Route("/a", endpoint, methods=["GET"]), Route("/a", endpoint, methods=["POST"])
    table = http_table(get, post)
    assert target(table, http_scope("/a", "POST")) == post.handle
    assert target(table, http_scope("/a", "HEAD")) == get.handle
    # No route has the method: the first is in the scope, and 405 is answered for both.
    scope = http_scope("/a", "DELETE")
    assert table.select_http(scope).allow == "GET, HEAD, POST"
    assert scope["endpoint"] is endpoint
    assert target(http_table(get), http_scope("/a", "DELETE")) == get.handle


@pytest.mark.parametrize("first", ["asked", "route"])
def test_http_partial_matches_keep_their_order(first):
    asked, route = Asked(Match.PARTIAL), Route("/a", endpoint, methods=["GET"])
    table = http_table(*((asked, route) if first == "asked" else (route, asked)))
    scope = http_scope("/a", "DELETE")
    expected = asked.handle if first == "asked" else route.handle
    assert target(table, scope) == expected
    assert ("asked" in scope) is (first == "asked")
    assert target(table, http_scope("/a", "GET")) == route.handle


def test_http_full_match_after_partial_ones():
    partial, full = Asked(Match.PARTIAL), Asked(Match.FULL)
    wrong_method = Route("/a", endpoint, methods=["POST"])
    assert target(http_table(partial, wrong_method, full), http_scope("/a")) == full.handle
    assert target(http_table(partial, wrong_method), http_scope("/b")) == partial.handle
    assert http_table(wrong_method).select_http(http_scope("/b")) is None


def test_matches_http_only_looks():
    route = Route("/a", endpoint, methods=["POST"])
    scope = http_scope("/a")
    assert http_table(route).matches_http(scope)
    assert http_table(Asked(Match.PARTIAL)).matches_http(scope)
    assert not http_table(route, Asked(Match.NONE)).matches_http(http_scope("/b"))
    assert scope == http_scope("/a")


@pytest.mark.parametrize("path", [None, b"/a", 5])
def test_a_path_that_is_no_str(path):
    with pytest.raises(TypeError):
        websocket_table(ws("/a")).select_websocket(websocket_scope("/", path=path))


def test_what_a_route_keeps_under_fastapi_is_merged_into_the_scope():
    class Noting(Asked):
        def matches(self, scope):
            return self.answer, {"fastapi": {"custom": True}}

    scope = websocket_scope("/")
    scope["fastapi"] = above = {"form_limits": {"max_fields": 1}}
    assert websocket_table(Noting(Match.FULL)).select_websocket(scope) is not None
    assert scope["fastapi"] == {"form_limits": {"max_fields": 1}, "custom": True}
    assert above == {"form_limits": {"max_fields": 1}}


@pytest.mark.parametrize("included", [False, True])
def test_405_names_every_method_of_the_path(included: bool) -> None:
    class Own(APIRoute):
        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("own", 400)(scope, receive, send)

    app, router = App(openapi_url=None), APIRouter()
    routes: Any = router if included else app
    routes.get("/items/{n}")(lambda n: n)
    routes.put("/items/{n:int}")(lambda n: n)
    routes.add_route("/items/{n}", lambda request: PlainTextResponse("x"), methods=["DELETE", "GET"])
    routes.get("/alone")(lambda: 1)
    routes.websocket("/alone")(lambda websocket: None)
    routes.add_api_route("/own", lambda: 1, methods=["GET"])
    (router if included else app.router).routes.append(Own("/own", lambda: 1, methods=["PUT"]))
    if included:
        app.include_router(router)
    client = TestClient(app)
    allowed = {path: client.request("PATCH", path).headers["allow"] for path in ("/items/7", "/items/x", "/alone")}
    assert allowed == {"/items/7": "GET, PUT, DELETE, HEAD", "/items/x": "GET, DELETE, HEAD", "/alone": "GET"}
    # A class of the user's that answers by itself is asked as before, and does not speak for others.
    assert client.request("PATCH", "/own").headers["allow"] == "GET"
    assert client.put("/own").text == "own" and client.put("/items/7").json() == 7
    # A router without an application answers by itself.
    refused = TestClient(router if included else app.router).request("PATCH", "/items/7")
    assert refused.status_code == 405 and refused.headers["allow"] == "GET, PUT, DELETE, HEAD"
