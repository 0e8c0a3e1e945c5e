"""``http.route`` of what no operation answers, and recording around what tools do to an application."""

from typing import Annotated

import pytest

from wirefast import APIRouter, App, Depends, WebSocket
from wirefast.responses import PlainTextResponse
from wirefast.staticfiles import StaticFiles
from wirefast.testclient import TestClient


def routes(kept):
    return [span.attributes.get("http.route") for span in kept.every() if span.kind.name == "SERVER"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_a_redirect_names_the_route_that_it_leads_to(kept, nested, plain):
    router = APIRouter()
    if plain:
        router.add_route("/items/{item}/", lambda request: PlainTextResponse("x"))
    else:
        router.add_api_route("/items/{item}/", lambda item: item)
    child, app = App(), App(telemetry=kept.config)
    if nested:
        outer = APIRouter(prefix="/v1")
        outer.include_router(router)
        router = outer
    child.include_router(router, prefix="/api")
    app.mount("/of/{tenant}", child)
    app.get("/bare")(lambda: 1)
    client = TestClient(app)
    below = "/api/v1" if nested else "/api"
    assert client.get(f"/of/a{below}/items/1", follow_redirects=False).status_code == 307
    assert client.get("/bare/", follow_redirects=False).status_code == 307
    assert client.get("/nowhere/").status_code == 404
    assert routes(kept) == [f"/of/{{tenant}}{below}/items/{{item}}/", "/bare", None]
    assert [span.name for span in kept.every()][-3:] == [f"GET {routes(kept)[0]}", "GET /bare", "GET"]


def test_files(kept, tmp_path):
    (tmp_path / "index.html").write_text("index")
    app, router, child = App(telemetry=kept.config), APIRouter(), App()
    app.mount("/static", StaticFiles(directory=tmp_path))
    router.frontend("/ui", directory=tmp_path, fallback="index.html")
    app.include_router(router, prefix="/in")
    child.frontend("/", directory=tmp_path)
    app.mount("/child", child)
    client = TestClient(app)
    for path in ("/static/index.html", "/in/ui/any/where", "/in/ui", "/child/index.html"):
        assert client.get(path, headers={"accept": "text/html"}).text == "index"
    assert routes(kept)[:2] + routes(kept)[-1:] == ["/static/{path}", "/in/ui/{path}", "/child/{path}"]
    assert set(routes(kept)) == {"/static/{path}", "/in/ui/{path}", "/child/{path}"}


def test_a_stack_that_is_built_again_is_recorded_too(kept):
    app = App(telemetry=kept.config)

    @app.websocket("/ws")
    async def talk(websocket: WebSocket):
        await websocket.accept()

    client = TestClient(app)
    for count in (1, 2, 3):
        assert client.get("/").status_code == 404
        assert len(kept.every()) == count
        app.middleware_stack = app.build_middleware_stack()
    with client.websocket_connect("/ws"):
        pass
    assert "WS /ws" in kept.spans()
    app.middleware_stack = None
    assert client.get("/").status_code == 404 and len(kept.every()) == 3 + 3 + 1


@pytest.mark.parametrize("telemetry", [False, True])
def test_a_dependant_that_a_tool_changes_after_the_declaration(kept, telemetry):
    app = App(telemetry=kept.config if telemetry else None)

    def needed() -> str:
        return "needed"

    @app.get("/")
    async def read(found: Annotated[str, Depends(needed)]):
        return found

    @app.websocket("/")
    async def talk(websocket: WebSocket, found: Annotated[str, Depends(needed)]):
        await websocket.accept()
        await websocket.send_json(found)

    async def read_otherwise(found: str):
        return f"{found}, changed"

    async def talk_otherwise(websocket: WebSocket, found: str):
        await talk(websocket, f"{found}, changed")

    for route in app.routes[-2:]:
        route.dependant.call = talk_otherwise if route.endpoint is talk else read_otherwise
    client = TestClient(app)
    assert client.get("/").json() == "needed, changed"
    with client.websocket_connect("/") as websocket:
        assert websocket.receive_json() == "needed, changed"
    assert len([span for span in kept.every() if span.kind.name == "SERVER"]) == 2 * telemetry


def test_fastapis_private_layer(kept):
    from wirefast.telemetry._asgi import NativeTelemetry

    layer = NativeTelemetry(App(telemetry=kept.config)._telemetry)

    async def application(scope, receive, send):
        if scope["type"] == "http":
            await PlainTextResponse("x")(scope, receive, send)

    async def recorded(scope, receive, send):
        await layer(app=application, scope=scope, receive=receive, send=send)

    client = TestClient(recorded)
    assert [client.get("/").text for _ in range(2)] == ["x", "x"]
    assert [span.name for span in kept.every()] == ["GET", "GET"]
