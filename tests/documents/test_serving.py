"""The routes of the document: what is served, when it is made, and how often."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from wirefast import APIRouter, App
from wirefast.documents import application, serving
from wirefast.testclient import TestClient

PATHS = {"openapi": "/openapi.json", "swagger_ui_html": "/docs", "redoc_html": "/redoc"}
PATHS |= {"swagger_ui_redirect": "/docs/oauth2-redirect"}


def paths(app: App) -> dict[str, str]:
    found = {route.name: route.path for route in app.routes}  # type: ignore[attr-defined]
    return {name: path for name, path in found.items() if not name.startswith("asyncapi")}


def taking(model: type[BaseModel]) -> Any:
    """An endpoint with a body of a model that is local to a test."""

    def endpoint(body: Any) -> None: ...

    endpoint.__annotations__["body"] = model
    return endpoint


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[App]:
    """The applications whose documents were made, one entry each time."""
    calls: list[App] = []
    make = application.AppDocuments._make_document

    def counting(self: Any) -> dict[str, Any]:
        calls.append(self)
        return make(self)

    monkeypatch.setattr(application.AppDocuments, "_make_document", counting)
    return calls


def test_addresses() -> None:
    assert paths(App()) == PATHS
    assert paths(App(openapi_url=None)) == {}
    assert set(paths(App(docs_url=None))) == {"openapi", "redoc_html"}
    assert set(paths(App(redoc_url=None, swagger_ui_oauth2_redirect_url=None))) == {"openapi", "swagger_ui_html"}
    own = App(openapi_url="/v1/api.json", docs_url="/v1", redoc_url="/", swagger_ui_oauth2_redirect_url="/back")
    assert list(paths(own).values()) == ["/v1/api.json", "/v1", "/back", "/"]
    client = TestClient(own)
    for path in paths(own).values():
        assert client.get(path).status_code == client.head(path).status_code == 200
    assert "url: '/v1/api.json'" in client.get("/v1").text
    assert 'spec-url="/v1/api.json"' in client.get("/").text


@pytest.mark.parametrize("missing", [{"title": ""}, {"version": ""}])
def test_a_document_needs_a_title_and_a_version(missing: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="needs a title and a version"):
        App(**missing)
    App(openapi_url=None, **missing)


def test_served_as_bytes_that_were_made_once(made: list[App]) -> None:
    app = App()
    client = TestClient(app)
    assert made == []
    first, second = client.get("/openapi.json"), client.get("/openapi.json")
    assert first.headers["content-type"] == "application/json"
    assert first.content == second.content
    assert first.json() == app.openapi() == app.openapi_schema
    assert made == [app]


def test_made_again_when_a_route_is_added(made: list[App]) -> None:
    app, inner = App(), APIRouter()
    app.include_router(inner)
    client = TestClient(app)

    def known() -> set[str]:
        document = client.get("/openapi.json").json()
        return {*document["paths"], *document.get("webhooks", ())}

    assert known() == set()
    app.get("/a")(lambda: None)
    assert known() == {"/a"}
    inner.get("/b")(lambda: None)
    assert known() == {"/a", "/b"}
    app.webhooks.post("c")(lambda: None)
    assert known() == {"/a", "/b", "c"}
    assert len(made) == 4


def test_many_threads_get_one_document(made: list[App]) -> None:
    app, found = App(), []
    for number in range(50):
        app.get(f"/{number}")(lambda a: None)
    ready = threading.Barrier(8)

    def ask() -> None:
        ready.wait()
        found.append(app.openapi())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [app]
    assert all(document is found[0] for document in found)


def test_asked_for_while_it_is_made() -> None:
    seen: list[Any] = []
    app = App()

    def ask(schema: dict[str, Any]) -> None:
        seen.append(schema)
        if len(seen) == 1:
            app.openapi()

    class Asking(BaseModel):
        model_config = {"json_schema_extra": ask}

    app.post("/")(taking(Asking))
    assert "Asking" in app.openapi()["components"]["schemas"]
    assert len(seen) >= 2


def test_made_in_a_thread_and_found_in_the_loop() -> None:
    app, threads = App(), []

    class Noting(BaseModel):
        model_config = {"json_schema_extra": lambda schema: threads.append(threading.current_thread())}

    app.post("/")(taking(Noting))

    @app.get("/thread")
    async def thread() -> int:
        return threading.get_ident()

    with TestClient(app) as client:
        loop = client.get("/thread").json()
        client.get("/openapi.json")
    assert threads and loop not in {thread.ident for thread in threads}


def test_replaced_functions_and_documents() -> None:
    app = App()
    client = TestClient(app)
    app.openapi()["info"]["x-logo"] = "before it was served"
    assert client.get("/openapi.json").json()["info"]["x-logo"] == "before it was served"
    app.openapi_schema = {"own": 1}
    assert client.get("/openapi.json").json() == {"own": 1}
    loops = []

    def own() -> dict[str, Any]:
        loops.append(threading.get_ident())
        return {"own": len(loops)}

    app.openapi = own  # type: ignore[method-assign]
    assert [client.get("/openapi.json").json() for _ in range(2)] == [{"own": 1}, {"own": 2}]

    class Own(App):
        def openapi(self) -> dict[str, Any]:
            return {**super().openapi(), "x-own": True}

    assert TestClient(Own()).get("/openapi.json").json()["x-own"] is True


def test_what_is_no_openapi_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"servers\.0\.url\s+Field required"):
        App(servers=[{"address": "/"}]).openapi()


def test_root_paths() -> None:
    app = App(servers=[{"url": "/one"}])
    bodies = {root: TestClient(app, root_path=root).get("/openapi.json").json() for root in ("", "/one", "/two/", "/")}
    assert {root: body["servers"] for root, body in bodies.items()} == {
        "": [{"url": "/one"}],
        "/one": [{"url": "/one"}],
        "/two/": [{"url": "/two"}, {"url": "/one"}],
        "/": [{"url": "/one"}],
    }
    assert "servers" not in TestClient(App(root_path_in_servers=False), root_path="/x").get("/openapi.json").json()
    client = TestClient(app, root_path="/two")
    page = client.get("/docs").text
    assert "url: '/two/openapi.json'" in page and "origin + '/two/docs/oauth2-redirect'" in page
    assert 'spec-url="/two/openapi.json"' in client.get("/redoc").text


def test_a_mounted_application_serves_its_own() -> None:
    outer, inner = App(), App(title="Inner")
    inner.get("/x")(lambda: None)
    outer.mount("/in", inner)
    client = TestClient(outer)
    assert client.get("/openapi.json").json()["paths"] == {}
    document = client.get("/in/openapi.json").json()
    assert (list(document["paths"]), document["servers"]) == (["/x"], [{"url": "/in"}])
    assert "url: '/in/openapi.json'" in client.get("/in/docs").text


def test_root_paths_that_are_kept_have_a_bound() -> None:
    app = App()
    served = serving._Served(app)
    document = app.openapi()
    for number in range(serving.MAX_ROOT_PATHS):
        served._encoded(document, f"/{number}")
    assert len(served._bytes) == serving.MAX_ROOT_PATHS
    assert json.loads(served._encoded(document, "/more"))["servers"] == [{"url": "/more"}]
    assert list(served._bytes) == ["/more"]
    assert "servers" not in document


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    program = (
        "import sys, wirefast\n"
        "app = wirefast.App()\n"
        "late = ['wirefast.documents.' + name for name in ('openapi', 'operations', 'needs', 'schemas', 'sockets')]\n"
        "late += ['wirefast.openapi.document_models', 'wirefast.openapi.utils']\n"
        "assert not [name for name in late if name in sys.modules], sorted(sys.modules)\n"
        "app.openapi()\n"
        "assert 'wirefast.documents.openapi' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_endpoints_take_a_request() -> None:
    for name in ("document", "swagger_ui", "redoc", "oauth2_redirect", "file"):
        signature = inspect.signature(getattr(serving._Served, name), eval_str=True)
        assert signature.parameters["request"].annotation is Request


@pytest.mark.parametrize("assets", ["0", "1"])
@pytest.mark.parametrize("has_socket", [False, True])
@pytest.mark.parametrize("has_console", [False, True])
def test_pages_link_to_the_console_of_sockets(
    monkeypatch: pytest.MonkeyPatch, assets: str, has_socket: bool, has_console: bool
) -> None:
    monkeypatch.setenv("WIREFAST_DOCS_ASSETS", assets)
    path = "/so&ckets"
    app, router = App(asyncapi_docs_url=path), APIRouter()
    app.include_router(router)
    app.router.routes[:] = [route for route in app.routes if getattr(route, "path", None) != path]
    if has_console:
        app.add_route(path, lambda request: None, include_in_schema=False)
    if has_socket:
        router.websocket("/ws")(lambda websocket: None)
    client = TestClient(app, root_path="/in")
    for page in ("/docs", "/redoc"):
        link = '<nav><a href="/in/so&amp;ckets">Sockets</a></nav>'
        assert (link in client.get(f"/in{page}").text) is (has_socket and has_console)
