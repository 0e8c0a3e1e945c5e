"""``App(telemetry=...)``: what is recorded of requests and sockets, of every outcome, and that nothing stays."""

import asyncio
import subprocess
import sys
from typing import Annotated

import pytest

from processes import TIMEOUT, environment
from wirefast import APIRouter, App, BackgroundTasks, Depends, HTTPException, Request, WebSocket
from wirefast.exceptions import RequestValidationError
from wirefast.responses import PlainTextResponse, StreamingResponse
from wirefast.telemetry import get_telemetry_data
from wirefast.testclient import TestClient
from wirefast.websockets import WebSocketDisconnect

PARENT = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
OPERATIONS = {"fastapi.dependencies", "fastapi.endpoint", "fastapi.serialization"}


def test_a_request(kept):
    app, router, seen = App(telemetry=kept.config), APIRouter(), []

    async def find(number: int):
        seen.append((get_telemetry_data(), get_telemetry_data().values))
        return number

    @router.post("/items/{number}")
    async def endpoint(
        request: Request, number: int, body: dict[str, int], found: Annotated[int, Depends(find)]
    ) -> int:
        data = get_telemetry_data()
        assert data.request.url == request.url and data.values["found"] == data.values["number"] == number
        assert data.body == body and data.errors == [] and data.websocket is None
        return found

    app.include_router(router, prefix="/in")
    assert TestClient(app).post("/in/items/7?a=1&sig=secret", json={"k": 1}, headers=PARENT).json() == 7
    spans = kept.spans()
    assert set(spans) == {"POST /in/items/{number}", *OPERATIONS}
    server = spans["POST /in/items/{number}"]
    assert server.kind.name == "SERVER" and server.status.status_code.name == "UNSET"
    assert server.context.trace_id == int("1" * 32, 16) and server.parent.span_id == int("2" * 16, 16)
    assert all(spans[name].parent.span_id == server.context.span_id for name in OPERATIONS)
    wanted = {
        "http.request.method": "POST",
        "http.route": "/in/items/{number}",
        "http.response.status_code": 200,
        "url.path": "/in/items/7",
        "url.query": "a=1&sig=REDACTED",
        "url.scheme": "http",
        "server.address": "testserver",
        "server.port": 80,
        "network.protocol.version": "1.1",
    }
    assert dict(server.attributes) == wanted
    ((data, values),) = seen
    assert values is None and data.values is not None and get_telemetry_data() is None
    (point,) = kept.points("http.server.request.duration")
    assert point.count == 1 and point.attributes["http.route"] == "/in/items/{number}"
    assert [point.value for point in kept.points("http.server.active_requests")] == [0]
    assert kept.logs() == []


@pytest.mark.parametrize("in_thread", [False, True])
def test_plain_functions_and_background_tasks(kept, in_thread):
    from opentelemetry import trace

    app, ids = App(telemetry=kept.config), []

    def task():
        ids.append(trace.get_current_span().get_span_context().span_id)

    def plain(tasks: BackgroundTasks):
        ids.append(trace.get_current_span().get_span_context().span_id)
        tasks.add_task(task)
        return {"a": {1}}

    async def coroutine(tasks: BackgroundTasks):
        return plain(tasks)

    app.get("/")(plain if in_thread else coroutine)
    assert TestClient(app).get("/").json() == {"a": [1]}
    spans = kept.spans()
    assert set(spans) == {"GET /", "fastapi.background_task", *OPERATIONS}
    assert ids == [spans[name].context.span_id for name in ("fastapi.endpoint", "fastapi.background_task")]
    named = spans["fastapi.endpoint"].attributes["code.function.name"]
    assert named.endswith("plain" if in_thread else "coroutine")


def failing_application(config):
    app = App(telemetry=config)

    async def broken_dependency():
        raise KeyError("dependency")

    @app.get("/raised")
    async def raised():
        raise ValueError("endpoint")

    @app.get("/dependency", dependencies=[Depends(broken_dependency)])
    async def dependency(): ...

    @app.get("/refused")
    async def refused():
        raise HTTPException(403)

    @app.get("/model", response_model=int)
    def model():
        return "no number"

    @app.get("/invalid")
    async def invalid(number: int): ...

    @app.post("/json")
    async def json_body(body: dict[str, int]): ...

    return app


@pytest.mark.parametrize(
    ("method", "path", "status", "failed", "error"),
    [
        ("GET", "/raised", 500, "fastapi.endpoint", "ValueError"),
        ("GET", "/dependency", 500, "fastapi.dependencies", "KeyError"),
        ("GET", "/refused", 403, None, None),
        ("GET", "/model", 500, "fastapi.serialization", "wirefast.exceptions.ResponseValidationError"),
        ("GET", "/invalid?number=x", 422, None, None),
        ("POST", "/json", 422, None, None),
        ("GET", "/nowhere", 404, None, None),
    ],
)
def test_failures(kept, method, path, status, failed, error):
    client = TestClient(failing_application(kept.config), raise_server_exceptions=False)
    assert client.request(method, path, content="{").status_code == status
    errors = {span.name: span.attributes.get("error.type") for span in kept.every() if not span.status.is_ok}
    logs, template = kept.logs(), path.partition("?")[0]
    name = method if status == 404 else f"{method} {template}"
    assert errors == ({} if failed is None else {failed: error, name: error})
    assert name in kept.spans()
    if status == 422:
        (log,) = logs
        assert log.event_name == "fastapi.validation.failed" and log.severity_text == "WARN"
        assert dict(log.attributes) == {"fastapi.validation.error_count": 1, "http.route": template}
    elif status == 500:
        (log,) = logs
        assert log.event_name == "http.server.request.exception" and log.attributes["http.route"] == template
        assert log.attributes["exception.type"].endswith(error.rpartition(".")[2])
    else:
        assert logs == []
    assert [point.value for point in kept.points("http.server.active_requests")] == [0]


@pytest.mark.parametrize("where", ["dependency", "endpoint", "cleanup"])
def test_an_exception_of_a_socket_is_a_record_of_its_span(kept, where):
    app = App(telemetry=kept.config)

    async def dependency():
        if where == "dependency":
            raise ValueError("failed")
        yield
        if where == "cleanup":
            raise ValueError("failed")

    @app.websocket("/ws", dependencies=[Depends(dependency)])
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        if where == "endpoint":
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        with TestClient(app).websocket_connect("/ws"):
            pass
    (log,) = kept.logs()
    assert log.event_name == "fastapi.websocket.exception" and log.attributes["http.route"] == "/ws"
    assert log.span_id == kept.spans()["WS /ws"].context.span_id


def test_a_body_that_cannot_be_read(kept):
    app, seen = App(telemetry=kept.config), []

    @app.exception_handler(RequestValidationError)
    async def handler(request, exc):
        data = get_telemetry_data()
        seen.append((data.request.url.path, data.body, len(data.errors), data.values))
        return PlainTextResponse("", 422)

    @app.post("/json")
    async def endpoint(body: dict[str, int]): ...

    assert TestClient(app).post("/json", content="{").status_code == 422
    assert seen == [("/json", b"{", 1, None)]


def test_streams_and_routes_of_starlette(kept):
    app = App(telemetry=kept.config)

    @app.get("/stream")
    async def stream():
        return StreamingResponse(iter(["a", "b"]))

    @app.get("/lines")
    async def lines():
        yield 1

    app.add_route("/plain/{name}", lambda request: PlainTextResponse("x"))
    app.mount("/mounted/{tenant}", App(routes=app.routes[-1:]))
    client = TestClient(app)
    for path in ("/stream", "/lines", "/plain/a", "/mounted/b/plain/c", "/docs"):
        assert client.get(path).status_code == 200
    routes = {span.attributes.get("http.route") for span in kept.every() if span.kind.name == "SERVER"}
    assert routes == {"/stream", "/lines", "/plain/{name}", "/mounted/{tenant}/plain/{name}", "/docs"}


def test_a_socket(kept):
    app, child, router = App(telemetry=kept.config), App(telemetry=kept.config), APIRouter()

    async def find(websocket: WebSocket):
        data = get_telemetry_data()
        assert data.websocket is websocket and data.request is None and data.values is None

    @router.websocket("/rooms/{room}")
    async def endpoint(websocket: WebSocket, room: int, found: Annotated[None, Depends(find)]):
        assert get_telemetry_data().values["room"] == room
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    child.include_router(router, prefix="/api")
    app.mount("/tenants/{tenant}", child)
    with TestClient(app).websocket_connect("/tenants/a/api/rooms/4", headers=PARENT) as websocket:
        websocket.send_text("hi")
        assert websocket.receive_text() == "hi"
    spans = kept.spans()
    assert set(spans) == {
        "WS /tenants/{tenant}/api/rooms/{room}",
        "fastapi.dependencies",
        "fastapi.endpoint",
    }
    server = spans["WS /tenants/{tenant}/api/rooms/{room}"]
    assert server.parent.span_id == int("2" * 16, 16) and server.status.status_code.name == "UNSET"
    assert server.attributes["network.protocol.name"] == "websocket" and server.attributes["url.scheme"] == "ws"
    assert not {"http.request.method", "url.path", "http.response.status_code"} & set(server.attributes)
    assert kept.points("http.server.request.duration") == [] and kept.logs() == []


@pytest.mark.parametrize(("code", "failed"), [(1000, False), (1001, False), (1006, True), (4000, True)])
def test_how_a_peer_leaves_a_socket(kept, code, failed):
    app = App(telemetry=kept.config)

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await websocket.receive_text()

    with pytest.raises(WebSocketDisconnect):
        with TestClient(app).websocket_connect("/ws") as websocket:
            websocket.close(code)
    statuses = {name: span.status.status_code.name for name, span in kept.spans().items()}
    wanted = "ERROR" if failed else "UNSET"
    assert statuses == {"WS /ws": wanted, "fastapi.endpoint": wanted, "fastapi.dependencies": "UNSET"}
    assert len(kept.logs()) == failed


def test_invalid_handshakes(kept):
    app = App(telemetry=kept.config)

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket, number: int): ...

    with pytest.raises(WebSocketDisconnect):
        with TestClient(app).websocket_connect("/ws?number=x"):
            pass
    assert [log.event_name for log in kept.logs()] == ["fastapi.validation.failed"]
    assert set(kept.spans()) == {"WS /ws", "fastapi.dependencies"}


@pytest.mark.parametrize("off", ["tracing", "metrics", "logs", "operation_spans", "exclude"])
def test_each_part_can_be_off(kept, off):
    app = App(telemetry={**kept.config, off: (lambda scope: True) if off == "exclude" else False})

    @app.get("/")
    async def endpoint():
        return get_telemetry_data() is None

    client = TestClient(app)
    assert client.get("/").json() is (off == "exclude")
    client.app.add_api_route("/bad", lambda number: None)
    spans, counted = kept.spans(), kept.points("http.server.request.duration")
    assert bool(spans) == (off not in ("tracing", "exclude")) and bool(counted) == (off not in ("metrics", "exclude"))
    assert ("fastapi.endpoint" in spans) == (off in ("metrics", "logs"))


def test_a_cancelled_request_is_ended(kept):
    app, entered = App(telemetry=kept.config), asyncio.Event()

    @app.get("/")
    async def endpoint():
        entered.set()
        await asyncio.Event().wait()

    async def main():
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}

        async def receive():
            await asyncio.Event().wait()

        async def send(message):
            raise AssertionError(message)

        task = asyncio.ensure_future(app(scope, receive, send))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "fastapi.telemetry" not in scope

    asyncio.run(main())
    assert kept.spans()["GET /"].attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert [point.value for point in kept.points("http.server.active_requests")] == [0]


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (True, TypeError, "takes a dict"),
        ({"tracer": None}, TypeError, "no setting 'tracer'"),
    ],
)
def test_wrong_settings(given, error, text):
    pytest.importorskip("opentelemetry.context")
    with pytest.raises(error, match=text):
        App(telemetry=given)


def test_an_application_without_telemetry_imports_nothing_of_it():
    program = """
import sys
from wirefast import App
import wirefast.telemetry
app = App()
@app.get("/")
async def endpoint(): ...
@app.websocket("/")
async def socket(): ...
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
sys.modules["opentelemetry"] = None
try:
    App(telemetry={})
except ImportError as exc:
    assert "[telemetry]'" in str(exc)
else:
    raise AssertionError
"""
    plain = environment() | {"PYDANTIC_DISABLE_PLUGINS": "__all__"}  # which bring OpenTelemetry along
    done = subprocess.run([sys.executable, "-c", program], env=plain, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
