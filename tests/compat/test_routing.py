"""Census 1B: registration and routing."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import functools
import uuid

import pytest
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import WebSocketRoute

from compat.endpoints import accepting, annotated
from compat.freezing import Raising
from compat.harness import Changed, compare, handshake, refusal


@pytest.mark.census("B1")
def test_decorator_returns_the_function_and_analyses_at_once():
    def build(f, trace):
        app = f.App()

        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()
            await websocket.close(4000)

        trace("same", app.websocket("/ws", "a name")(endpoint) is endpoint)
        trace("route", app.routes[-1].name, app.routes[-1].path)
        return app

    result = compare(build)
    assert result.calls == [("same", True), ("route", "a name", "/ws")]
    assert result.close["code"] == 4000


@pytest.mark.census("B1")
def test_decorator_dependencies_are_keyword_only():
    def build(f, trace):
        return f.App().websocket("/ws", None, [])

    assert isinstance(refusal(build), TypeError)


@pytest.mark.census("B2")
def test_imperative_registration_on_app_and_router():
    def build(f, trace):
        async def dependency(name: str = "?"):
            trace("dependency", name)

        app, router = f.App(), f.APIRouter(prefix="/r", dependencies=[f.Depends(dependency)])
        endpoint = annotated(f, trace)
        app.add_api_websocket_route("/ws", endpoint, "named", dependencies=[f.Depends(dependency)])
        router.add_api_websocket_route("/ws", endpoint, dependencies=[f.Depends(dependency, use_cache=False)])
        app.include_router(router)
        trace("names", app.url_path_for("named"), app.url_path_for("endpoint"))
        return app

    first, second = compare(build, handshake("/ws?name=a"), handshake("/r/ws?name=b"))
    assert first.calls[1:] == [("dependency", "a"), ("endpoint", {}, "/ws")]
    assert second.calls == [("dependency", "b"), ("endpoint", {}, "/r/ws")]


@pytest.mark.census("B3")
def test_route_class_attributes_equality_and_repr():
    def build(f, trace):
        endpoint = annotated(f, trace)
        route = f.routing.APIWebSocketRoute("/ws/{a:int}", endpoint, name="x", dependencies=[])
        again = f.routing.APIWebSocketRoute("/ws/{a:int}", endpoint)
        trace("route", route.path, route.name, route.dependencies, route.path_regex.pattern, route.path_format)
        trace("convertors", sorted(route.param_convertors), route.endpoint is endpoint, repr(route))
        trace("equal", route == again, isinstance(route, WebSocketRoute), callable(route.app), again.name)
        trace("url", str(route.url_path_for("x", a=3)), route.dependant.call is endpoint, route._embed_body_fields)
        scope = {"type": "websocket", "path": "/ws/7", "path_params": {}}
        match, child = route.matches(scope)
        trace("match", match, child["path_params"], child["route"] is route, child["endpoint"] is endpoint)
        trace("none", route.matches({"type": "http", "path": "/ws/7", "method": "GET"})[0])
        app = f.App()
        app.router.routes.append(route)
        return app

    calls = compare(build, handshake("/ws/7")).calls
    assert calls[1][3] == "APIWebSocketRoute(path='/ws/{a:int}', name='x')"
    assert calls[-1] == ("endpoint", {"a": 7}, "/ws/7")


@pytest.mark.census("B4")
def test_default_names():
    class Instance:
        async def __call__(self, websocket):
            pass

        async def method(self, websocket):
            pass

    def build(f, trace):
        app = f.App()
        for endpoint in (functools.partial(Instance.method, Instance()), Instance(), Instance().method):
            app.add_api_websocket_route("/ws", endpoint)
            trace("name", app.routes[-1].name)
        return app

    result = compare(build, handshake("/other"))
    assert [name for _, name in result.calls] == ["partial", "Instance", "method"]


@pytest.mark.census("B5")
@pytest.mark.parametrize("path", ["ws", "", "/"])
def test_paths_without_a_leading_slash_are_accepted(path):
    def build(f, trace):
        app = f.App()
        app.websocket(path)(annotated(f, trace))
        return app

    compare(build, handshake("/ws"), handshake("ws"), handshake("WS"), handshake(""), handshake("/"))


@pytest.mark.census("B6", "3.15")
def test_websocket_route_ignores_router_prefix_and_dependencies():
    def build(f, trace):
        async def dependency():
            trace("dependency")

        app = f.App(dependencies=[f.Depends(dependency)])
        router = f.APIRouter(prefix="/own", dependencies=[f.Depends(dependency)])
        router.websocket_route("/plain", name="p")(accepting(trace))
        router.add_websocket_route("/added", accepting(trace, "added"))
        app.websocket_route("/app")(accepting(trace, "app"))
        app.include_router(router, prefix="/inc")
        trace("missing", hasattr(app, "add_websocket_route"))
        return app

    targets = ["/inc/plain", "/inc/own/plain", "/own/plain", "/inc/added", "/app"]
    results = compare(build, *(handshake(target) for target in targets))
    assert results[0].calls == [("missing", False), ("endpoint", {}, "/inc/plain")]
    assert [bool(result.calls) for result in results] == [True, False, False, True, True]


@pytest.mark.census("B6")
def test_websocket_route_with_an_endpoint_class():
    def build(f, trace):
        from starlette.endpoints import WebSocketEndpoint

        class Echo(WebSocketEndpoint):
            encoding = "text"

            async def on_receive(self, websocket, data):
                await websocket.send_text(data.upper())

            async def on_disconnect(self, websocket, close_code):
                trace("disconnect", close_code)

        app = f.App()
        app.websocket_route("/ws")(Echo)
        return app

    result = compare(build, handshake("/ws", "abc", close=4001))
    assert result.texts == ["ABC"] and result.calls == [("disconnect", 4001)]


@pytest.mark.census("B7")
def test_first_declared_route_wins():
    def build(f, trace):
        app = f.App()
        app.websocket("/a/{x}")(annotated(f, trace, "shadow"))
        app.websocket("/a/me")(annotated(f, trace, "never"))
        app.websocket("/b/me")(annotated(f, trace, "first"))
        app.websocket("/b/{x}")(annotated(f, trace, "second"))
        app.websocket("/c/{x:int}")(annotated(f, trace, "int"))
        app.websocket("/c/{x}")(annotated(f, trace, "str"))
        return app

    targets = ["/a/me", "/b/me", "/b/you", "/c/1", "/c/x"]
    results = compare(build, *(handshake(target) for target in targets))
    assert [result.calls[0][0] for result in results] == ["shadow", "first", "second", "int", "str"]


CONVERTORS = {
    "{x}": ["/c/1", "/c/a%20b", "/c/%C3%A9", "/c/", "/c/a/b", "/c/a%2Fb", "/c/a%0A"],
    "{x:str}": ["/c/ok", "/c/a/b"],
    "{x:int}": ["/c/12", "/c/-1", "/c/1.0", "/c/1a", "/c/1%0A", "/c/007", "/c/%D9%A3", "/c/" + "9" * 30],
    "{x:float}": ["/c/1", "/c/1.5", "/c/1.", "/c/.5", "/c/-1.5", "/c/1e5"],
    "{x:path}": ["/c/", "/c/a/b/c", "/c", "/c/a//b", "/c/a%0Ab"],
    "{x:uuid}": [f"/c/{uuid.UUID(int=5)}", "/c/" + "0" * 32, "/c/" + "A" * 32, "/c/xyz"],
    "{x}.{y}": ["/c/a.b", "/c/a.b.c", "/c/.", "/c/a"],
    "{x:int}-{y:path}": ["/c/1-a/b", "/c/1-", "/c/1-2-3", "/c/-a"],
    "{x}/tail": ["/c/a/tail", "/c//tail", "/c/a/b/tail"],
    "{x:path}/tail": ["/c/a/b/tail", "/c/tail", "/c//tail", "/c/tail/tail"],
}


@pytest.mark.census("B8")
@pytest.mark.parametrize("template", CONVERTORS)
def test_convertors(template):
    def build(f, trace):
        app = f.App()
        app.websocket(f"/c/{template}")(annotated(f, trace))
        return app

    results = compare(build, *(handshake(target) for target in CONVERTORS[template]))
    assert results[0].calls, "the first target matches"


@pytest.mark.census("B8")
def test_converted_values_reach_parameters_unannotated_and_annotated():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws/{a:int}/{b:float}/{c:uuid}/{d:path}/{e:int}")
        async def endpoint(websocket: f.WebSocket, a, b, c, d, e: str = "unused"):
            trace("values", a, b, c, d, e)

        return app

    compare(build, handshake(f"/ws/1/2.5/{uuid.UUID(int=9)}/x/y/7"))


@pytest.mark.census("B8")
def test_an_integer_too_long_for_int_does_not_match():
    def build(f, trace):
        app = f.App()
        app.websocket("/c/{x:int}")(annotated(f, trace))
        return app

    error = ("raised", Raising("Exceeds the limit"))
    unmatched = ("sent", {"type": "websocket.close", "code": 1000, "reason": ""})
    compare(build, handshake("/c/" + "9" * 5000), differs=Changed(was=[error], now=[unmatched]))


@pytest.mark.census("B8")
def test_registered_convertor():
    class Letters(Convertor):
        regex = "[a-z]{2}"

        def convert(self, value):
            return value.upper()

        def to_string(self, value):
            return value.lower()

    register_url_convertor("letters", Letters())

    def build(f, trace):
        app = f.App()
        app.websocket("/{x:letters}/{y}")(annotated(f, trace))
        trace("url", str(app.url_path_for("endpoint", x="AB", y="c")))
        return app

    results = compare(build, handshake("/ab/c"), handshake("/abc/c"))
    assert results[0].calls == [("url", "/ab/c"), ("endpoint", {"x": "AB", "y": "c"}, "/ab/c")]
    assert results[1].calls == []


@pytest.mark.census("B8")
@pytest.mark.parametrize("path", ["/d/{a}/{a}", "/d/{a:foo}", "/d/{a:int}/{b}/{a:path}"])
def test_bad_path_templates_are_refused(path):
    error = refusal(lambda f, trace: f.App().websocket(path)(annotated(f, trace)))
    assert isinstance(error, (ValueError, AssertionError))


@pytest.mark.census("B14", "B16")
def test_slashes_are_never_redirected_and_unmatched_sockets_are_closed():
    def build(f, trace):
        app = f.App(redirect_slashes=True)
        app.websocket("/ws")(annotated(f, trace))

        @app.exception_handler(404)
        async def not_found(request, exc):
            trace("never")

        return app

    for result in compare(build, handshake("/ws/"), handshake("/nothing"), handshake("/")):
        assert result.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]
        assert result.calls == []


@pytest.mark.census("B15")
def test_url_path_for_through_nested_routers():
    def build(f, trace):
        app, outer, inner = f.App(), f.APIRouter(prefix="/o"), f.APIRouter(prefix="/i/{i}")
        inner.websocket("/ws/{n:int}", name="deep")(annotated(f, trace))
        outer.include_router(inner)
        app.include_router(outer, prefix="/p/{p}")
        app.include_router(outer, prefix="/again/{p}")
        path = app.url_path_for("deep", p="1", i="2", n=3)
        trace("path", str(path), path.protocol, str(path.make_absolute_url("https://h/base")))
        for params in (
            {},
            {"p": "1", "i": "2"},
            {"p": "1", "i": "2", "n": 3, "extra": 1},
            {"p": "1", "i": "a/b", "n": 3},
        ):
            try:
                trace("path", str(app.url_path_for("deep", **params)))
            except Exception as error:
                trace("error", error)
        try:
            app.url_path_for("deep", p="1", i="2", n=-3)
        except Exception as error:
            trace("convertor", error)
        return app

    calls = compare(build, handshake("/other")).calls
    assert calls[0][1:] == ("/p/1/o/i/2/ws/3", "websocket", "wss://h/base/p/1/o/i/2/ws/3")
    assert str(calls[1][1]) == 'No route exists for name "deep" and params "".'


@pytest.mark.census("B15")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_url_for_within_a_connection(scheme):
    def build(f, trace):
        app, router = f.App(), f.APIRouter(prefix="/r")

        @router.websocket("/ws/{x}", name="me")
        async def endpoint(websocket: f.WebSocket):
            trace("url", str(websocket.url_for("me", x="y")), str(websocket.url), str(websocket.base_url))
            try:
                websocket.url_for("nobody")
            except Exception as error:
                trace("error", error)

        app.include_router(router)
        return app

    connection = handshake("/r/ws/1?a=b", headers={"host": "example.com:8000"}, scope={"scheme": scheme})
    assert compare(build, connection).calls[0][1] == f"{scheme}://example.com:8000/r/ws/y"
