"""dishka and wireup as they are: containers that find the socket by its type, ours or Starlette's."""

import pytest
import starlette.websockets

from asgi import connect
from wirefast import APIRouter, App, Request, WebSocket
from wirefast.testclient import TestClient

EITHER = pytest.mark.parametrize("socket", [WebSocket, starlette.websockets.WebSocket], ids=["ours", "Starlette's"])


def test_either_class_is_the_key_of_the_other():
    theirs = starlette.websockets.WebSocket

    class Mine(WebSocket): ...

    class Theirs(theirs): ...

    assert WebSocket == theirs and theirs == WebSocket and {WebSocket: 1}[theirs] == {theirs: 1}[WebSocket] == 1
    classes = [WebSocket, Mine, Theirs, object, Request]
    assert len(set(classes)) == 5 and Mine != theirs and Mine != WebSocket and Theirs != WebSocket
    scope = {"type": "websocket", "path": "/", "headers": []}
    ours, other = WebSocket(scope, None, None), theirs(scope, None, None)
    for _ in range(2):  # the second time from the caches of abstract classes
        assert isinstance(ours, theirs) and isinstance(ours, WebSocket) and not isinstance(other, WebSocket)
        assert issubclass(WebSocket, theirs) and not issubclass(theirs, WebSocket) and issubclass(Mine, WebSocket)


@EITHER
def test_several_parameters_get_the_connection(socket):
    app = App()

    @app.websocket("/")
    async def endpoint(mine: WebSocket, theirs: socket, more: starlette.websockets.WebSocket, request: Request = None):
        await mine.accept()
        await mine.send_json([theirs is mine, more is mine, request])

    assert connect(app, "/").texts == ["[true,true,null]"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("by_annotation", [False, True])
@EITHER
def test_dishka(socket, by_annotation):
    dishka = pytest.importorskip("dishka")
    integration = pytest.importorskip("dishka.integrations.fastapi")

    class Session:
        def __init__(self, websocket):
            self.path = websocket.url.path

    class Reading:
        def __init__(self, request):
            self.path = request.url.path

    def session(websocket: socket) -> Session:
        return Session(websocket)

    def reading(request: Request) -> Reading:
        return Reading(request)

    provider = dishka.Provider()
    provider.provide(session, scope=dishka.Scope.SESSION)
    provider.provide(reading, scope=dishka.Scope.REQUEST)
    app, router = App(), APIRouter()

    if by_annotation:

        @router.websocket("/ws")
        @integration.inject
        async def talk(session: integration.FromDishka[Session], found: integration.FromDishka[socket], ws: WebSocket):
            await ws.accept()
            await ws.send_json([session.path, found.url.path])

    else:

        @router.websocket("/ws")
        @integration.inject
        async def talk(ws: socket, session: integration.FromDishka[Session], found: integration.FromDishka[socket]):
            await ws.accept()
            await ws.send_json([session.path, found.url.path])

    @router.get("/read")
    @integration.inject
    async def read(reading: integration.FromDishka[Reading]) -> str:
        return reading.path

    @router.get("/plain")
    @integration.inject
    def plain(reading: integration.FromDishka[Reading]) -> str:
        return reading.path

    app.include_router(router, prefix="/in")
    container = dishka.make_async_container(provider, integration.FastapiProvider())
    integration.setup_dishka(container, app)
    with TestClient(app) as client:
        with client.websocket_connect("/in/ws") as websocket:
            assert websocket.receive_json() == ["/in/ws", "/in/ws"]
        assert client.get("/in/read").json() == "/in/read"
        assert client.get("/in/plain").json() == "/in/plain"


@EITHER
def test_wireup(socket):
    wireup = pytest.importorskip("wireup")
    integration = pytest.importorskip("wireup.integration.starlette")

    @wireup.injectable(lifetime="scoped")
    class Session:
        def __init__(self, websocket: starlette.websockets.WebSocket) -> None:
            self.path = websocket.url.path

    app, router = App(), APIRouter()

    @router.websocket("/ws")
    @integration.inject
    async def talk(websocket: WebSocket, session: wireup.Injected[Session], found: wireup.Injected[socket]):
        await websocket.accept()
        await websocket.send_json([session.path, found.url.path])

    app.include_router(router, prefix="/in")
    container = wireup.create_async_container(injectables=[Session, integration])
    integration.setup(container, app)
    with TestClient(app) as client, client.websocket_connect("/in/ws") as websocket:
        assert websocket.receive_json() == ["/in/ws", "/in/ws"]


def test_wireups_own_way_with_fastapi():
    wireup = pytest.importorskip("wireup")
    integration = pytest.importorskip("wireup.integration.fastapi")

    @wireup.injectable(lifetime="scoped")
    class Service:
        name = "service"

    app, router = App(), APIRouter()

    @router.websocket("/ws")
    async def talk(websocket: WebSocket, service: wireup.Injected[Service]):
        await websocket.accept()
        await websocket.send_json(service.name)

    @router.get("/read")
    async def read(service: wireup.Injected[Service]) -> str:
        return service.name

    app.websocket("/ws")(talk)
    app.include_router(router, prefix="/in")
    container = wireup.create_async_container(injectables=[Service, integration])
    integration.setup(container, app)
    with TestClient(app) as client:
        for path in ("/ws", "/in/ws"):
            with client.websocket_connect(path) as websocket:
                assert websocket.receive_json() == "service"
        assert client.get("/in/read").json() == "service"
