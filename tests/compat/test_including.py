"""Census 1B: included routers, their prefixes and the dependencies they add."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import pytest

from compat.harness import compare, handshake, refusal


def accepting(trace, name="endpoint"):
    """An endpoint that records its name and path parameters."""

    async def endpoint(websocket):
        trace(name, dict(websocket.path_params), websocket.scope["path"])
        await websocket.accept()
        await websocket.close()

    return endpoint


def annotated(f, trace, name="endpoint"):
    async def endpoint(websocket: f.WebSocket):
        await accepting(trace, name)(websocket)

    return endpoint


@pytest.mark.census("B9", "3.16")
@pytest.mark.parametrize("prefix", ["api", "/api/", "/", "api/"])
def test_router_prefixes_are_checked(prefix):
    assert "prefix must" in str(refusal(lambda f, trace: f.APIRouter(prefix=prefix)))
    assert "prefix must" in str(refusal(lambda f, trace: f.App().include_router(f.APIRouter(), prefix=prefix)))


@pytest.mark.census("B9")
def test_router_arguments_are_keyword_only():
    assert isinstance(refusal(lambda f, trace: f.APIRouter("/prefix")), TypeError)


@pytest.mark.census("B10")
def test_routes_added_after_inclusion_are_served():
    def build(f, trace):
        app, router = f.App(), f.APIRouter(prefix="/r")
        app.include_router(router, prefix="/v1")
        router.websocket("/late")(annotated(f, trace, "late"))
        return app

    assert compare(build, handshake("/v1/r/late")).calls == [("late", {}, "/v1/r/late")]


@pytest.mark.census("B10")
def test_routes_added_while_serving():
    def build(f, trace):
        app = f.App()

        @app.websocket("/add")
        async def add(websocket: f.WebSocket):
            await websocket.accept()
            app.websocket("/new")(annotated(f, trace, "new"))

        return app

    results = compare(build, handshake("/new"), handshake("/add"), handshake("/new"))
    assert [result.calls for result in results] == [[], [], [("new", {}, "/new")]]


@pytest.mark.census("B10")
def test_one_router_included_many_times_with_different_dependencies():
    def build(f, trace):
        def noting(name):
            async def dependency():
                trace(name)

            return f.Depends(dependency)

        app, router = f.App(), f.APIRouter(prefix="/r")
        router.websocket("/ws/{x}", name="one")(annotated(f, trace))
        for version in ("v1", "v2"):
            app.include_router(router, prefix=f"/{version}/{{tenant}}", dependencies=[noting(version)])
        trace("url", str(app.url_path_for("one", tenant="t", x="1")))
        return app

    first, second = compare(build, handshake("/v1/a/r/ws/1"), handshake("/v2/b/r/ws/2"))
    assert first.calls[0] == ("url", "/v1/t/r/ws/1")
    assert second.calls == [("v2",), ("endpoint", {"tenant": "b", "x": "2"}, "/v2/b/r/ws/2")]


@pytest.mark.census("B10")
def test_route_contexts_list_flattened_paths():
    def build(f, trace):
        app, inner, outer = f.App(), f.APIRouter(prefix="/i"), f.APIRouter(prefix="/o")
        inner.websocket("/ws/{x:int}", name="n")(annotated(f, trace))
        outer.include_router(inner, prefix="/mid")
        app.include_router(outer, prefix="/top")
        for context in f.routing.iter_route_contexts(app.routes):
            if context.path.endswith("/ws/{x:int}"):
                trace("context", context.path, context.name)
        return app

    assert compare(build, handshake("/top/o/mid/i/ws/4")).calls[0] == ("context", "/top/o/mid/i/ws/{x:int}", "n")


@pytest.mark.census("B11")
def test_a_router_is_not_included_in_itself():
    def build(f, trace):
        router = f.APIRouter()
        router.include_router(router)

    assert "into itself" in str(refusal(build))


@pytest.mark.census("B11")
def test_a_circle_of_routers_is_refused():
    def build(f, trace):
        a, b, c = f.APIRouter(), f.APIRouter(), f.APIRouter()
        a.include_router(b, prefix="/b")
        b.include_router(c, prefix="/c")
        c.include_router(a, prefix="/a")

    assert "already includes this router" in str(refusal(build))


@pytest.mark.census("B12")
@pytest.mark.parametrize("nested", [False, True])
def test_empty_prefix_and_path_are_refused(nested):
    def build(f, trace):
        router, outer = f.APIRouter(), f.APIRouter()
        router.websocket("", name="the name")(annotated(f, trace))
        if nested:
            outer.include_router(router, prefix="/inner")
        f.App().include_router(outer if nested else router)
        return f.App()

    if nested:
        compare(build)
    else:
        assert "Prefix and path cannot be both empty (path operation: the name)" in str(refusal(build))


@pytest.mark.census("B12")
def test_empty_path_under_a_prefix():
    def build(f, trace):
        app, router = f.App(), f.APIRouter()
        router.websocket("")(annotated(f, trace))
        app.include_router(router, prefix="/pre")
        return app

    first, second = compare(build, handshake("/pre"), handshake("/pre/"))
    assert first.calls and not second.calls


@pytest.mark.census("B13")
def test_order_of_inherited_dependencies():
    def build(f, trace):
        def noting(name):
            async def dependency():
                trace(name)

            return f.Depends(dependency)

        app = f.App(dependencies=[noting("app")])
        r1, r2 = f.APIRouter(dependencies=[noting("r1")]), f.APIRouter(dependencies=[noting("r2")])

        @r2.websocket("/ws", dependencies=[noting("d1"), noting("d2")])
        async def endpoint(websocket: f.WebSocket, a=noting("p1"), b=noting("p2")):
            trace("endpoint")

        r1.include_router(r2, dependencies=[noting("r1<-r2")])
        app.include_router(r1, dependencies=[noting("app<-r1")])
        app.websocket("/direct", dependencies=[noting("own")])(annotated(f, trace))
        return app

    result, direct = compare(build, handshake("/ws"), handshake("/direct"))
    names = ["app", "app<-r1", "r1", "r1<-r2", "r2", "d1", "d2", "p1", "p2", "endpoint"]
    assert [call[0] for call in result.calls] == names
    assert [call[0] for call in direct.calls] == ["app", "own", "endpoint"]


@pytest.mark.census("B13")
def test_a_listed_dependency_needs_a_callable():
    def build(f, trace):
        f.App().websocket("/ws", dependencies=[f.Depends()])(annotated(f, trace))

    assert str(refusal(build)) == "A parameter-less dependency must have a callable dependency"
