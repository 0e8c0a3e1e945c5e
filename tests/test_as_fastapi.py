"""wirefast under the name ``fastapi``: each case in a process of its own, as the alias is for a whole process."""

import importlib.util
import pkgutil
import socket
import subprocess
import sys

import pytest

from processes import TIMEOUT, environment, once_up, running, wirefast


def python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment(), capture_output=True, text=True, timeout=TIMEOUT
    )


def check(program):
    done = python(program)
    assert done.returncode == 0, done.stderr


def test_declarations_hear_what_fastapi_says():
    """Nothing: FastAPI's own examples declare one path twice, and test suites make warnings errors."""
    check("""
import warnings
warnings.simplefilter("error")
import wirefast.as_fastapi
from fastapi import FastAPI
app = FastAPI()
for number in range(2):
    @app.get("/users")
    async def read(): return number
    @app.websocket("/{room}")
    def talk(websocket): ...
""")


def test_modules_are_those_of_wirefast():
    check("""
import importlib, sys
import wirefast.as_fastapi as alias
import fastapi, wirefast
from fastapi import FastAPI, Depends, WebSocket, status
from fastapi.applications import FastAPI as same
import fastapi.security.oauth2
assert FastAPI is same is wirefast.App and Depends is wirefast.Depends and status.HTTP_200_OK == 200
assert fastapi.__version__ == "0.165.0" and wirefast.__version__ != fastapi.__version__
assert fastapi.routing is wirefast.routing and fastapi.exceptions is wirefast.exceptions
for name in alias.MODULES:
    if name != "middleware.wsgi":  # deprecated by Starlette
        module, ours = importlib.import_module(f"fastapi.{name}"), importlib.import_module(f"wirefast.{name}")
        assert module is ours and ours.__name__ == ours.__spec__.name == f"wirefast.{name}", name
        assert sys.modules[f"fastapi.{name}"] is sys.modules[f"wirefast.{name}"]
alias.install()
assert sum(type(finder).__name__ == "_Alias" for finder in sys.meta_path) == 1
""")


def test_what_is_not_there_says_so():
    check("""
import wirefast.as_fastapi
for name in ("fastapi.cli", "fastapi.rooms", "fastapi.routing.more"):
    try:
        __import__(name)
    except ModuleNotFoundError as exc:
        assert exc.name == name and "docs/compatibility.md" in str(exc)
    else:
        raise AssertionError(name)
try:
    from fastapi import no_such_name
except ImportError as exc:
    assert "no_such_name" in str(exc)
else:
    raise AssertionError
""")


def test_telemetry_is_on_by_default_as_in_fastapi():
    check("""
import importlib.util
import sys
import wirefast.as_fastapi
from fastapi import FastAPI
from fastapi.testclient import TestClient
if importlib.util.find_spec("opentelemetry.sdk") is None:
    sys.exit()
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
app, kept, provider = FastAPI(), InMemorySpanExporter(), TracerProvider()
app.get("/items/{item}")(lambda item: item)
client = TestClient(app)
assert client.get("/items/1").json() == "1"
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
assert client.get("/items/1").json() == "1"
spans = kept.get_finished_spans()
assert spans[-1].name == "GET /items/{item}" and len(spans) == 4, spans
scopes = [span.instrumentation_scope for span in spans]
assert {(scope.name, scope.version) for scope in scopes} == {("fastapi", "0.165.0")}
""")


def test_every_module_of_fastapi_is_there_or_named_as_missing():
    spec = importlib.util.find_spec("fastapi")
    if spec is None:
        pytest.skip("FastAPI is not installed")
    done = python("import wirefast.as_fastapi as alias; print(*alias.MODULES)")
    ours = set(done.stdout.split())
    # Without walk_packages, which imports packages.
    places = [("", spec.submodule_search_locations)]
    theirs = set()
    for prefix, where in places:
        for module in pkgutil.iter_modules(where):
            theirs.add(prefix + module.name)
            if module.ispkg:
                places.append((f"{prefix}{module.name}.", [f"{where[0]}/{module.name}"]))
    assert theirs - ours == {"__main__", "cli", "telemetry._api"}
    assert ours <= theirs


def test_an_imported_fastapi_is_refused():
    pytest.importorskip("fastapi")
    done = python("import fastapi, wirefast.as_fastapi")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: fastapi is imported already, from ") and "wirefast run --as-fastapi" in last


def test_a_service_is_served():
    check("""
import wirefast.as_fastapi
from typing import Annotated
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
def user(token: str) -> str:
    return token.title()
router = APIRouter(prefix="/in")
@router.get("/hello")
def hello(name: Annotated[str, Depends(user)]) -> dict[str, str]:
    return {"hello": name}
@router.websocket("/echo")
async def echo(websocket: WebSocket, name: Annotated[str, Depends(user)]):
    await websocket.accept()
    await websocket.send_json([name, await websocket.receive_text()])
app = FastAPI()
app.include_router(router)
client = TestClient(app)
assert client.get("/in/hello?token=ada").json() == {"hello": "Ada"}
with client.websocket_connect("/in/echo?token=ada") as websocket:
    websocket.send_text("hi")
    assert websocket.receive_json() == ["Ada", "hi"]
assert list(app.openapi()["paths"]) == ["/in/hello"]
""")


SERVICE = """
import fastapi
app = fastapi.FastAPI()
@app.get("/")
def which():
    return [type(app).__module__, fastapi.__version__]
"""


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_the_command(tmp_path, options):
    (tmp_path / "service.py").write_text(SERVICE)
    with running("service:app", "--port", "0", "--as-fastapi", *options, cwd=tmp_path) as server:
        port = server.wait_for_port()
        with once_up(lambda: socket.create_connection(("127.0.0.1", port), TIMEOUT)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: peer.recv(4096), b""))
        assert answer.endswith(b'\r\n\r\n["wirefast.applications","0.165.0"]')


def test_the_command_tells_of_a_wrong_name(tmp_path):
    (tmp_path / "service.py").write_text(SERVICE)
    done = wirefast("run", "service:ap", "--port", "0", "--as-fastapi", cwd=tmp_path)
    assert done.returncode == 2 and "has no attribute 'ap'; did you mean 'app'?" in done.stderr
