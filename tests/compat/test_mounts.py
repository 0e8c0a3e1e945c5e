"""Mounted applications, hosts, routers that stand alone, and foreign routes in their place."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Host, WebSocketRoute

from compat.endpoints import accepting, annotated
from compat.harness import compare, handshake


@pytest.mark.census("B16")
def test_an_http_path_is_unmatched_for_websockets_and_default_can_be_replaced():
    def build(f, trace):
        async def default(scope, receive, send):
            trace("default", scope["type"], scope["path"])
            await send({"type": "websocket.close", "code": 4404, "reason": "none"})

        app, router = f.App(), f.APIRouter(default=default)
        router.websocket("/ws")(annotated(f, trace))
        app.mount("/sub", router)
        return app

    inside, outside = compare(build, handshake("/sub/other"), handshake("/other"))
    assert inside.close["code"] == 4404 and outside.close["code"] == 1000


@pytest.mark.census("B17", "I5", "K16")
def test_mounted_app_has_its_own_handlers_overrides_and_paths():
    def build(f, trace):
        app, sub = f.App(), f.App()

        def setting():
            return "original"

        @sub.websocket("/ws/{x}", name="child")
        async def endpoint(websocket: f.WebSocket, x: str, value: str = f.Depends(setting)):
            trace("scope", websocket.scope["path"], websocket.scope["root_path"], websocket.scope["app_root_path"])
            trace("urls", str(websocket.url), str(websocket.base_url), dict(websocket.path_params), value)
            trace("app", websocket.app is sub, str(websocket.url_for("sub:child", tenant="t", x="z")))
            raise ValueError("boom")

        @sub.exception_handler(ValueError)
        async def inner(websocket, error):
            trace("sub handler")
            await websocket.close(4001)

        @app.exception_handler(ValueError)
        async def outer(websocket, error):
            trace("app handler")

        app.dependency_overrides[setting] = lambda: "overridden"
        app.mount("/m/{tenant}", sub, name="sub")
        trace("path", str(app.url_path_for("sub:child", tenant="t", x="1")))
        return app

    result = compare(build, handshake("/m/acme/ws/7", headers={"host": "h"}))
    assert result.calls[-1] == ("sub handler",) and result.close["code"] == 4001
    assert result.calls[2][3:] == ({"tenant": "acme", "x": "7"}, "original")


@pytest.mark.census("B17")
def test_root_path_of_the_app():
    def build(f, trace):
        app = f.App(root_path="/proxy")

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            trace("root", websocket.scope["root_path"], str(websocket.url), str(websocket.url_for("endpoint")))

        return app

    result, *_ = compare(build, handshake("/ws"), handshake("/proxy/ws"), handshake("/ws", scope={"root_path": "/x"}))
    assert result.raw[0][:2] == ("warning", "FastAPIDeprecationWarning") and result.calls[0][1] == "/proxy"


@pytest.mark.census("B18")
def test_host_routes_keep_their_place():
    def build(f, trace):
        app, api = f.App(), f.APIRouter()
        api.websocket("/ws")(annotated(f, trace, "api"))
        app.host("{tenant}.example.org", api, name="api")
        app.websocket("/ws")(annotated(f, trace, "plain"))
        return app

    hosts = ["a.example.org", "A.Example.ORG:8000", "example.org", "other.net"]
    results = compare(build, *(handshake("/ws", headers={"host": host}) for host in hosts))
    assert [result.calls[0][0] for result in results] == ["api", "api", "plain", "plain"]


@pytest.mark.census("B18")
def test_host_in_an_included_router():
    def build(f, trace):
        app, api = f.App(), f.APIRouter()
        api.websocket("/ws")(annotated(f, trace, "api"))
        router = f.APIRouter(routes=[Host("api.org", api)])
        app.include_router(router, prefix="/pre")
        return app

    compare(build, *(handshake(target, headers={"host": "api.org"}) for target in ("/pre/ws", "/ws")))


@pytest.mark.census("B19", "3.10")
def test_scope_keys_that_applications_read():
    def build(f, trace):
        app, router = f.App(), f.APIRouter(prefix="/r")

        @router.websocket("/{x}")
        async def endpoint(websocket: f.WebSocket):
            scope = websocket.scope
            trace("app", scope["app"] is app, scope["endpoint"] is endpoint, scope["path_params"])
            trace("route", scope["route"].path, scope["route"].name, type(scope["route"]).__name__)
            trace("router", hasattr(scope["router"], "url_path_for"), "fastapi_astack" in scope)

        app.include_router(router, prefix="/p")
        return app

    assert compare(build, handshake("/p/r/1")).calls[1] == ("route", "/p/r/{x}", "endpoint", "APIWebSocketRoute")


@pytest.mark.census("B20")
def test_router_as_a_stand_alone_application():
    def build(f, trace):
        router = f.APIRouter(prefix="/r")

        @router.websocket("/ws")
        async def endpoint(websocket: f.WebSocket, n: int):
            trace("endpoint", n)
            await websocket.accept()

        return router

    good, bad, unmatched = compare(build, handshake("/r/ws?n=1"), handshake("/r/ws?n=x"), handshake("/none"))
    assert good.calls == [("endpoint", 1)] and type(bad.raised).__name__ == "WebSocketRequestValidationError"
    assert unmatched.close["code"] == 1000


@pytest.mark.census("B21")
def test_starlette_routes_in_the_constructor():
    def build(f, trace):
        return f.App(routes=[WebSocketRoute("/ws/{x:int}", accepting(trace), name="s")])

    assert compare(build, handshake("/ws/4")).calls == [("endpoint", {"x": 4}, "/ws/4")]


@pytest.mark.census("B21")
def test_mounts_and_foreign_routes_keep_their_place_in_the_order():
    async def mounted(scope, receive, send):
        await send({"type": "websocket.close", "code": 4000, "reason": scope["root_path"]})

    def build(f, trace):
        app = f.App()
        app.websocket("/a/first")(annotated(f, trace, "first"))
        app.mount("/a", mounted)
        app.websocket("/a/later")(annotated(f, trace, "later"))
        app.router.routes.append(WebSocketRoute("/b/{x}", accepting(trace, "starlette")))
        app.websocket("/b/{x}")(annotated(f, trace, "shadowed"))
        return app

    results = compare(build, *(handshake(target) for target in ("/a/first", "/a/later", "/b/1", "/a", "/ab")))
    assert [result.calls[0][0] if result.calls else result.close["code"] for result in results] == [
        "first",
        4000,
        "starlette",
        1000,
        1000,
    ]


@pytest.mark.census("B16")
def test_a_mounted_response_receives_the_websocket_scope():
    def build(f, trace):
        app = f.App()
        app.mount("/sub", PlainTextResponse("hello"))
        return app

    compare(build, handshake("/sub/x"))
