"""fastapi-pagination, faststream and wireup as they are: they import the real FastAPI, and need no alias."""

import asyncio
from typing import Annotated, Any

import fastapi
import httpx2
import pytest
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIWebSocketRoute, _IncludedRouter
from fastapi_pagination.utils import disable_installed_extensions_check
from pydantic import BaseModel

import wirefast
from wirefast import APIRouter, App
from wirefast.testclient import TestClient

disable_installed_extensions_check()  # sqlalchemy is installed for other tests

Router = pytest.mark.parametrize("router_class", [APIRouter, fastapi.APIRouter], ids=["our router", "FastAPI's"])


def heard(client: TestClient, path: str) -> Any:
    with client.websocket_connect(path) as websocket:
        return websocket.receive_json()


def test_our_objects_are_taken_for_fastapis() -> None:
    app, router = App(), APIRouter()

    @router.get("/page")
    def page() -> None: ...

    @router.websocket("/socket")
    async def socket(websocket: wirefast.WebSocket) -> None: ...

    app.include_router(router, prefix="/in")
    (included,) = [route for route in app.routes if isinstance(route, _IncludedRouter)]
    assert isinstance(app, fastapi.FastAPI) and isinstance(router, fastapi.APIRouter)
    for routes in (router.routes, included.effective_candidates()):
        assert isinstance(routes[0], APIRoute) and not isinstance(routes[0], APIWebSocketRoute)
        assert isinstance(routes[1], APIWebSocketRoute) and not isinstance(routes[1], APIRoute)
    assert type(app) is App and not isinstance(app, fastapi.APIRouter)

    class Mine(App):
        name = "mine"

    # A method may ask its class for a name that FastAPI's does not have.
    assert Mine().__class__ is Mine and Mine().__class__.name == "mine"


class Item(BaseModel):
    name: str


@pytest.mark.parametrize("early", [True, False], ids=["before the routes", "after"])
@Router
def test_fastapi_pagination(router_class: Any, early: bool) -> None:
    pagination = pytest.importorskip("fastapi_pagination")
    app, router = App(), router_class(prefix="/r")
    if early:
        pagination.add_pagination(app)
    entered = []

    async def session() -> Any:
        entered.append("in")
        yield
        entered.append("out")

    @app.get("/items", dependencies=[wirefast.Depends(session)])
    def items(q: str = "") -> pagination.Page[int]:
        return pagination.paginate(list(range(100)))

    @app.post("/items")
    async def post(item: Item, other: Item) -> pagination.Page[Item]:
        return pagination.paginate([item, other] * 10)

    @router.get("/items", response_model=pagination.LimitOffsetPage[Item])
    async def more() -> Any:
        return pagination.paginate([Item(name=str(number)) for number in range(10)])

    app.include_router(router, prefix="/in")
    if not early:
        pagination.add_pagination(app)
    with TestClient(app) as client:
        assert client.get("/items?page=2&size=3").json() == {
            "items": [3, 4, 5], "total": 100, "page": 2, "size": 3, "pages": 34,
        }  # fmt: skip
        assert entered == ["in", "out"]
        assert client.get("/items?size=0").json()["detail"][0]["loc"] == ["query", "size"]
        page = client.post("/items?page=4&size=5", json={"item": {"name": "a"}, "other": {"name": "b"}})
        assert [item["name"] for item in page.json()["items"]] == ["b", "a", "b", "a", "b"]
        assert client.post("/items", json={"item": {}}).status_code == 422
        assert client.get("/in/r/items?limit=2&offset=3").json()["items"] == [{"name": "3"}, {"name": "4"}]
        document = client.get("/openapi.json").json()["paths"]
        names = {
            path: {item["name"] for item in document[path]["get"]["parameters"]} for path in ("/items", "/in/r/items")
        }
        assert names == {"/items": {"q", "page", "size"}, "/in/r/items": {"limit", "offset"}}


def dependency(x_token: Annotated[str, fastapi.Header()] = "none") -> str:
    return f"token {x_token}"


Needed = Annotated[str, fastapi.Depends(dependency)]


def test_faststream() -> None:
    integration = pytest.importorskip("faststream.nats.fastapi")
    nats = pytest.importorskip("faststream.nats")
    # Each describes itself in a document of this name.
    router, got, app = integration.NatsRouter("nats://127.0.0.1:1"), [], App(title="Service", asyncapi_url=None)

    @router.subscriber("in")
    @router.publisher("out")
    async def handle(message: Item, needed: Needed, tasks: fastapi.BackgroundTasks) -> Item:
        tasks.add_task(got.append, "later")
        got.append((message.name, needed))
        return message

    @router.get("/page")
    async def page(needed: Needed) -> list[str]:
        await router.broker.publish({"name": "a"}, "in", headers={"x-token": "t"})
        return [needed]

    @router.websocket("/ws")
    async def socket(websocket: fastapi.WebSocket, needed: Needed) -> None:
        await websocket.accept()
        await websocket.send_json([needed, type(websocket).__module__])

    app.include_router(router, prefix="/s")

    async def main() -> None:
        async with nats.TestNatsBroker(router.broker), app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
                assert (await client.get("/s/page", headers={"x-token": "h"})).json() == ["token h"]
                assert got == [("a", "token t"), "later"]
                document = (await client.get("/asyncapi.json")).json()
                assert document["info"]["title"] == "Service" and "in:Handle" in document["channels"]

    asyncio.run(main())
    assert heard(TestClient(app), "/s/ws") == ["token none", "wirefast.websockets"]


@pytest.mark.parametrize("middleware_mode", [False, True])
@Router
def test_wireup(router_class: Any, middleware_mode: bool) -> None:
    """Its FastAPI integration finds the request, and the socket, by FastAPI's classes."""
    wireup = pytest.importorskip("wireup")
    integration = pytest.importorskip("wireup.integration.fastapi")

    @wireup.injectable(lifetime="scoped")
    class Talk:
        def __init__(self, websocket: fastapi.WebSocket) -> None:
            self.path = websocket.url.path

    @wireup.injectable(lifetime="scoped")
    class Read:
        def __init__(self, request: fastapi.Request) -> None:
            self.path = request.url.path

    app, router = App(), router_class(prefix="/r")

    @app.websocket("/ws")
    @router.websocket("/ws")
    async def talk(talk: wireup.Injected[Talk], websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(talk.path)

    @app.websocket("/connection")
    async def connection(talk: wireup.Injected[Talk], websocket: fastapi.requests.HTTPConnection) -> None:
        await websocket.accept()  # type: ignore[attr-defined]
        await websocket.send_json(talk.path)  # type: ignore[attr-defined]

    @app.get("/read")
    @router.get("/read")
    async def read(read: wireup.Injected[Read], number: int = 1) -> list[Any]:
        return [read.path, number]

    app.include_router(router, prefix="/in")
    container = wireup.create_async_container(injectables=[Talk, Read, integration])
    integration.setup(container, app, middleware_mode=middleware_mode)
    with TestClient(app) as client:
        for path in ("/read", "/in/r/read"):
            assert client.get(f"{path}?number=3").json() == [path, 3]
        for path in ("/ws", "/in/r/ws", "/connection"):
            assert heard(client, path) == path


@Router
def test_wireups_classes_and_routes(router_class: Any) -> None:
    wireup = pytest.importorskip("wireup")
    integration = pytest.importorskip("wireup.integration.fastapi")

    @wireup.injectable
    class Greeter:
        def greet(self, name: str) -> str:
            return f"hello {name}"

    class Greetings:
        router = router_class(prefix="/greet")

        def __init__(self, greeter: Greeter) -> None:
            self.greeter = greeter

        @router.get("/{name}")
        async def page(self, name: str) -> str:
            return self.greeter.greet(name)

        @router.websocket("/{name}/ws")
        async def socket(self, websocket: fastapi.WebSocket, name: str) -> None:
            await websocket.accept()
            await websocket.send_json(self.greeter.greet(name))

    app, routed = App(), router_class(route_class=integration.WireupRoute)

    @routed.get("/routed")
    async def route(greeter: wireup.Injected[Greeter], name: str) -> str:
        return greeter.greet(name)

    app.include_router(routed)
    container = wireup.create_async_container(injectables=[Greeter, integration])
    integration.setup(container, app, class_based_handlers=[Greetings])
    with TestClient(app) as client:
        assert client.get("/greet/ada").json() == "hello ada"
        assert heard(client, "/greet/ada/ws") == "hello ada"
        assert client.get("/routed?name=ada").json() == "hello ada"


# ---- FastAPI's objects without a package in between ----


def test_annotations_of_fastapi() -> None:
    app, ran = App(), []

    def kind(connection: fastapi.requests.HTTPConnection) -> str:
        return type(connection).__name__

    @app.post("/all")
    async def everything(
        request: fastapi.Request,
        response: fastapi.Response,
        tasks: fastapi.BackgroundTasks,
        body: Annotated[dict[str, int], fastapi.Body()],
        found: str = fastapi.Depends(kind),
        query: int = fastapi.Query(3, ge=1),
        header: str = fastapi.Header("h", alias="x-h"),
        cookie: str = fastapi.Cookie("c"),
    ) -> list[Any]:
        tasks.add_task(ran.append, request.url.path)
        response.headers["x-own"] = "1"
        return [found, query, header, cookie, body]

    @app.post("/form")
    async def form(
        file: fastapi.UploadFile,
        files: Annotated[list[fastapi.UploadFile], fastapi.File()],
        text: Annotated[str, fastapi.Form()] = "default",
    ) -> list[Any]:
        return [(await file.read()).decode(), len(files), text]

    @app.websocket("/ws")
    async def socket(
        websocket: fastapi.WebSocket,
        connection: fastapi.requests.HTTPConnection,
        found: Annotated[str, fastapi.Depends(kind)],
        scopes: fastapi.security.SecurityScopes,
    ) -> None:
        await websocket.accept()
        await websocket.send_json([found, connection is websocket, scopes.scopes])

    client = TestClient(app)
    answer = client.post("/all", json={"a": 1})
    assert answer.json() == ["Request", 3, "h", "c", {"a": 1}] and answer.headers["x-own"] == "1" and ran == ["/all"]
    assert client.post("/all?query=0", json={}).json()["detail"][0]["loc"] == ["query", "query"]
    files = [("file", b"one"), ("files", b"a"), ("files", b"b")]
    assert client.post("/form", files=files).json() == ["one", 2, "default"]
    assert heard(client, "/ws") == ["WebSocket", True, []]


def routes() -> list[Any]:
    async def page(number: int, needed: Needed) -> list[Any]:
        return [number, needed]

    async def refused() -> None:
        raise RequestValidationError([{"loc": ("query", "x"), "msg": "no", "type": "t"}])

    async def socket(websocket: fastapi.WebSocket, number: int, needed: Needed) -> None:
        await websocket.accept()
        await websocket.send_json([number, needed])

    return [APIRoute("/page", page), APIRoute("/refused", refused), APIWebSocketRoute("/ws", socket)]


def test_routes_of_fastapi_among_ours() -> None:
    app, appended = App(routes=routes()), APIRouter(prefix="/r")
    appended.routes.extend(routes())
    app.include_router(appended, prefix="/in")
    app.mount("/mounted", APIRouter(routes=routes()))
    client = TestClient(app)
    for prefix in ("", "/in", "/mounted"):
        assert client.get(f"{prefix}/page?number=3").json() == [3, "token none"]
        for path, name in (("page?number=x", "number"), ("refused", "x")):
            answer = client.get(f"{prefix}/{path}")
            assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["query", name]
        assert heard(client, f"{prefix}/ws?number=3") == [3, "token none"]
        with pytest.raises(wirefast.WebSocketDisconnect) as refused:
            heard(client, f"{prefix}/ws?number=x")
        assert refused.value.code == 1008
    assert {"/page", "/in/page"} <= app.openapi()["paths"].keys()


@pytest.mark.parametrize("registered", [fastapi.exceptions, wirefast.exceptions], ids=["for FastAPI's", "for ours"])
@pytest.mark.parametrize("raised", [fastapi.exceptions, wirefast.exceptions], ids=["FastAPI's", "ours"])
@pytest.mark.parametrize("name", ["HTTPException", "RequestValidationError", "WebSocketException"])
def test_a_handler_handles_either_exception(registered: Any, raised: Any, name: str) -> None:
    app = App()
    made = {
        "HTTPException": lambda: raised.HTTPException(418),
        "RequestValidationError": lambda: raised.RequestValidationError([]),
        "WebSocketException": lambda: raised.WebSocketException(1008),
    }

    @app.exception_handler(getattr(registered, name))
    async def handle(connection: Any, exc: Any) -> Any:
        if isinstance(connection, wirefast.WebSocket):
            await connection.close(4001)
            return None
        return fastapi.responses.JSONResponse("handled", 299)

    @app.get("/")
    async def page() -> None:
        raise made[name]()

    @app.websocket("/")
    async def socket(websocket: fastapi.WebSocket) -> None:
        raise made[name]()

    client = TestClient(app)
    if name == "WebSocketException":
        with pytest.raises(wirefast.WebSocketDisconnect) as closed, client.websocket_connect("/"):
            pass
        assert closed.value.code == 4001
    else:
        assert client.get("/").status_code == 299


def test_a_router_of_fastapi_that_includes_one_of_ours_is_told_what_to_do() -> None:
    with pytest.raises(wirefast.exceptions.FastAPIError, match="Mount a wirefast App"):
        fastapi.FastAPI().include_router(APIRouter(), prefix="/in")
