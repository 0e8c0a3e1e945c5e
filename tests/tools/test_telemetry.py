"""OpenTelemetry's instrumentation of FastAPI and prometheus-fastapi-instrumentator, as they are."""

import pytest
from starlette.routing import Host, Mount, Route

from wirefast import APIRouter, App, WebSocket
from wirefast.responses import PlainTextResponse
from wirefast.testclient import TestClient

MESSAGES = 3


def application():
    app, router, inner = App(), APIRouter(prefix="/in"), APIRouter()

    @app.get("/plain/{number}")
    def plain(number: int):
        return number

    @inner.get("/deep/{number}")
    async def deep(number: int):
        return number

    @inner.get("/failing")
    async def failing():
        raise ValueError("failed")

    @inner.websocket("/ws/{number}")
    async def socket(websocket: WebSocket, number: int):
        await websocket.accept()
        for index in range(MESSAGES):
            await websocket.send_json(index)
        await websocket.close()

    app.websocket("/ws/{number}")(socket)
    router.include_router(inner, prefix="/x")
    below = [Route("/leaf/{name}", lambda request: PlainTextResponse("leaf"))]
    router.routes.append(Mount("/mounted", routes=below))
    app.include_router(router, prefix="/out")
    app.router.routes.append(Host("other.org", app=App()))
    return app


PATHS = {
    "/plain/3": "/plain/{number}",
    "/out/in/x/deep/4": "/out/in/x/deep/{number}",
    "/out/in/x/failing": "/out/in/x/failing",
}
SOCKETS = {"/ws/5": "/ws/{number}", "/out/in/x/ws/6": "/out/in/x/ws/{number}"}


def talk(client):
    for path in SOCKETS:
        with client.websocket_connect(path) as websocket:
            assert [websocket.receive_json() for _ in range(MESSAGES)] == list(range(MESSAGES))


@pytest.fixture
def spans():
    pytest.importorskip("opentelemetry.instrumentation.fastapi")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = export.InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


@pytest.mark.parametrize("served_before", [False, True])
def test_opentelemetry_makes_a_span_of_each_connection(spans, served_before):
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    provider, exporter = spans
    app = application()
    client = TestClient(app, raise_server_exceptions=False)
    if served_before:
        talk(client)
        app.middleware_stack = None  # as it is before the first connection
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    try:
        for path in PATHS:
            client.get(path)
        talk(client)
        found = exporter.get_finished_spans()
        servers = [span for span in found if span.kind.name == "SERVER"]
        names = {f"GET {route}" for route in PATHS.values()} | {f"HTTP {route}" for route in SOCKETS.values()}
        assert {span.name for span in servers} == names
        assert {span.attributes["http.route"] for span in servers} == {*PATHS.values(), *SOCKETS.values()}
        (failed,) = (span for span in servers if span.name.endswith("failing"))
        assert failed.status.status_code.name == "ERROR"
        assert any(event.attributes["exception.type"] == "ValueError" for event in failed.events)
        for route in SOCKETS.values():
            sent = [span for span in found if span.name == f"HTTP {route} websocket send"]
            assert len(sent) == MESSAGES + 2  # accept and close
    finally:
        FastAPIInstrumentor.uninstrument_app(app)
    exporter.clear()
    client.get("/plain/3")
    talk(client)
    assert exporter.get_finished_spans() == ()


def test_prometheus_names_each_route():
    instrumentator = pytest.importorskip("prometheus_fastapi_instrumentator")
    from prometheus_client import CollectorRegistry

    app, registry = application(), CollectorRegistry()
    instrumentator.Instrumentator(registry=registry).instrument(app).expose(app)
    client = TestClient(app, raise_server_exceptions=False)
    paths = {**PATHS, "/out/mounted/leaf/a": "/out/mounted/leaf/{name}"}
    for path in paths:
        for _ in range(2):
            client.get(path)
    client.get("/nowhere")
    talk(client)
    counted = {
        sample.labels["handler"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "http_requests_total"
    }
    assert counted == {**dict.fromkeys(paths.values(), 2.0), "none": 1.0}
    assert 'handler="/out/in/x/deep/{number}"' in client.get("/metrics").text
