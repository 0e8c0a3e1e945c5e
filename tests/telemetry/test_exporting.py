"""``auto_configure``: where OpenTelemetry's variables send each signal, and who is closed in the end."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from processes import TIMEOUT, environment
from wirefast import App
from wirefast.exceptions import FastAPIError
from wirefast.testclient import TestClient

pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from wirefast.telemetry import _runtime  # noqa: E402

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, None),
        ({ENDPOINT: ""}, None),
        ({ENDPOINT: "http://h:1"}, "http://h:1/v1/traces"),
        ({ENDPOINT: "http://h:1/in/"}, "http://h:1/in/v1/traces"),
        ({ENDPOINT: "https://h", TRACES: "http://own/t"}, "http://own/t"),
        ({ENDPOINT: "http://h", TRACES: "", "OTEL_TRACES_EXPORTER": ""}, "http://h/v1/traces"),
        ({ENDPOINT: "http://h", "OTEL_TRACES_EXPORTER": " NONE "}, None),
        ({ENDPOINT: "http://h", "OTEL_LOGS_EXPORTER": "console"}, "http://h/v1/traces"),
        ({"OTEL_TRACES_EXPORTER": "console"}, None),
        (
            {
                ENDPOINT: "http://h",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            "http://h/v1/traces",
        ),
        ({ENDPOINT: "h:4318"}, "absolute HTTP or HTTPS URL"),
        ({ENDPOINT: "file:///x"}, "absolute HTTP or HTTPS URL"),
        ({ENDPOINT: "http://h", "OTEL_TRACES_EXPORTER": "console"}, "otlp or none, not console"),
        ({ENDPOINT: "http://h", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf, not grpc"),
    ],
)
def test_where_a_signal_goes(monkeypatch, variables, wanted):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if wanted is None or wanted.startswith("http:"):
        assert _runtime._export_endpoint("TRACES") == wanted
        return
    with pytest.raises(FastAPIError, match=wanted):
        _runtime._export_endpoint("TRACES")


@pytest.mark.parametrize(
    ("variable", "given", "wanted"),
    [
        (None, {}, False),
        ("TRUE", {}, True),
        ("1", {}, False),
        ("true", {"auto_configure": False}, False),
        (None, {"auto_configure": True}, True),
    ],
)
def test_who_asks_for_it(monkeypatch, variable, given, wanted):
    if variable is not None:
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", variable)
    assert App(telemetry=given)._telemetry["auto_configure"] is wanted


@pytest.fixture
def collector():
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()
    thread.join()


def run(program, **variables):
    everything = environment() | {"PYDANTIC_DISABLE_PLUGINS": "__all__", **variables}
    done = subprocess.run(
        [sys.executable, "-c", program], env=everything, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    return done


SERVICE = """
from wirefast import App, WebSocket
from wirefast.telemetry import _runtime
from wirefast.testclient import TestClient
app = App(telemetry={"auto_configure": True})
@app.get("/items/{item}")
async def read(item: int) -> int:
    return item
@app.websocket("/ws/{room}")
async def talk(websocket: WebSocket):
    await websocket.accept()
    raise ValueError("lost")
assert not _runtime._owned
for _ in range(2):
    with TestClient(app) as client:
        assert client.get("/items/1").json() == 1 and client.get("/items/x").status_code == 422
        try:
            with client.websocket_connect("/ws/7") as websocket:
                websocket.receive_json()
        except ValueError:
            pass
    assert len(_runtime._owned) == COUNT
"""


def test_everything_is_sent_when_an_application_stops(collector):
    base, received = collector
    slow = dict.fromkeys(
        ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"), "60000"
    )
    run(SERVICE.replace("COUNT", "3"), **{ENDPOINT: base, "OTEL_SERVICE_NAME": "shop", **slow})
    sent = {path: b"".join(body for where, body in received if where == path) for path, _ in received}
    assert set(sent) == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    assert sent["/v1/traces"].count(b"GET /items/{item}") == 4 and sent["/v1/traces"].count(b"WS /ws/{room}") == 2
    assert sent["/v1/logs"].count(b"fastapi.validation.failed") == 2
    assert sent["/v1/logs"].count(b"fastapi.websocket.exception") == 2
    assert b"http.server.request.duration" in sent["/v1/metrics"] and b"shop" in sent["/v1/metrics"]


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, 0),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}, 1),
    ],
)
def test_signals_that_are_not_wanted(collector, variables, count):
    base, received = collector
    run(SERVICE.replace("COUNT", str(count)), **{ENDPOINT: base, **variables})
    assert {path for path, _ in received} == ({"/v1/traces"} if count else set())


@pytest.mark.parametrize("missing", ["opentelemetry.sdk", "opentelemetry.exporter"])
def test_a_service_starts_without_the_sdk(missing):
    program = f"import sys; sys.modules[{missing!r}] = None" + SERVICE.replace("COUNT", "0")
    done = run(program, **{ENDPOINT: "http://127.0.0.1:1"})
    lines = [line for line in done.stderr.splitlines() if "auto_configure" in line]
    assert len(lines) == 2 and "wirefast[opentelemetry]" in lines[0], done.stderr


def test_a_provider_of_the_program_gets_an_exporter_and_is_not_closed(monkeypatch, collector, kept):
    base, received = collector
    monkeypatch.setenv(ENDPOINT, base)
    monkeypatch.setattr(_runtime, "_owned", [])
    monkeypatch.setattr(_runtime, "_configured", [])
    apps = [App(telemetry={**kept.config, "auto_configure": True}) for _ in range(2)]
    for app in [*apps, *apps]:
        with TestClient(app) as client:
            assert client.get("/").status_code == 404
    assert len(_runtime._owned) == 3  # once for each provider, not for each application or start
    assert len(kept.every()) == 4 and sum(body.count(b"url.path") for path, body in received if "traces" in path) == 4
    _runtime._shutdown()
    assert _runtime._owned == []
    with kept.config["tracer_provider"].get_tracer("mine").start_as_current_span("still"):
        pass
    assert len(kept.every()) == 5


def test_a_provider_that_takes_no_exporter(monkeypatch, caplog):
    from opentelemetry.trace import NoOpTracerProvider

    monkeypatch.setenv(TRACES, "http://127.0.0.1:1")
    app = App(telemetry={"tracer_provider": NoOpTracerProvider(), "auto_configure": True})
    with TestClient(app) as client:
        assert client.get("/").status_code == 404
    assert "NoOpTracerProvider does not support adding an OTLP exporter" in caplog.text and not _runtime._owned


def test_who_sets_the_global_provider_first_keeps_it(monkeypatch):
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    current = [trace.ProxyTracerProvider()]
    theirs, closed = TracerProvider(shutdown_on_exit=False), []
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: current[0])
    monkeypatch.setattr(trace, "set_tracer_provider", lambda provider: current.__setitem__(0, theirs))
    monkeypatch.setattr(TracerProvider, "shutdown", lambda self: closed.append(self))
    monkeypatch.setattr(_runtime, "_owned", [])
    monkeypatch.setattr(_runtime, "_configured", [])
    monkeypatch.setenv(TRACES, "http://127.0.0.1:1")
    _runtime._configure_from_environment(App(telemetry={"auto_configure": True})._telemetry)
    assert _runtime._configured == [("TRACES", theirs)]
    assert len(closed) == 1 and closed[0] is not theirs
    (component,) = _runtime._owned
    assert component is not theirs
    _runtime._shutdown()


def test_what_cannot_be_closed_does_not_keep_the_rest_open(monkeypatch, caplog):
    done = []

    class Broken:
        def shutdown(self):
            raise RuntimeError("stuck")

        force_flush = shutdown

    class Good:
        def force_flush(self):
            done.append("flush")

        def shutdown(self):
            done.append("shutdown")

    monkeypatch.setattr(_runtime, "_owned", [Broken(), Good()])
    with TestClient(App(telemetry={})):
        pass
    _runtime._shutdown()
    _runtime._shutdown()
    assert done == ["flush", "shutdown"] and caplog.text.count("cleanup failed") == 2
