"""The ASGI applications that the servers run: one subject, in the words of each framework.

Subjects: ``scene`` (benchmarks/scene.py and its counterparts in benchmarks/peers.py), ``typed`` (typed_peers.py),
``chat``, ``rooms``, ``routes-N``, ``dependencies-N`` and ``parameters-N``.
"""

import asyncio
import contextlib
import importlib
import os
import warnings
from collections.abc import AsyncIterator
from typing import Annotated, Any

from benchmarks import peers, typed_peers

PATIENCE = 5.0


class Room:
    """The members of the chat example and its loop over them, for a socket of any framework."""

    def __init__(self, disconnect: type[Exception]) -> None:
        self.members: set[Any] = set()
        self.disconnect = disconnect

    async def send(self, message: str, websocket: Any) -> None:
        try:
            await asyncio.wait_for(websocket.send_text(message), PATIENCE)
        except (self.disconnect, RuntimeError, asyncio.TimeoutError):
            self.members.discard(websocket)

    async def broadcast(self, message: str) -> None:
        await asyncio.gather(*[self.send(message, member) for member in self.members])

    async def serve(self, websocket: Any, client_id: int) -> None:
        await websocket.accept()
        self.members.add(websocket)
        try:
            while websocket in self.members:
                text = await websocket.receive_text()
                await self.send(f"You wrote: {text}", websocket)
                await self.broadcast(f"Client #{client_id} says: {text}")
        except self.disconnect:
            pass
        finally:
            self.members.discard(websocket)


def new_app(framework: str) -> tuple[Any, Any]:
    """The package and an empty application of FastAPI or wirefast."""
    package = importlib.import_module(framework)
    return package, package.App() if framework == "wirefast" else package.FastAPI()


def chat(framework: str) -> Any:
    """The chat example, its members in one process and a loop over them."""
    if framework == "starlette":
        return _starlette_chat()
    if framework == "litestar":
        return _litestar_chat()
    package, app = new_app(framework)
    room = Room(package.WebSocketDisconnect)

    @app.websocket("/ws/{client_id}")
    async def talk(websocket: package.WebSocket, client_id: int) -> None:
        await room.serve(websocket, client_id)

    return app


def _starlette_chat() -> Any:
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    room = Room(WebSocketDisconnect)

    async def talk(websocket: WebSocket) -> None:
        await room.serve(websocket, websocket.path_params["client_id"])

    return Starlette(routes=[WebSocketRoute("/ws/{client_id:int}", talk)])


def _litestar_chat() -> Any:
    from litestar import Litestar, websocket
    from litestar import WebSocket as Socket
    from litestar.exceptions import WebSocketDisconnect

    room = Room(WebSocketDisconnect)

    @websocket("/ws/{client_id:int}")
    async def talk(socket: Socket[Any, Any, Any], client_id: int) -> None:
        await room.serve(socket, client_id)

    return Litestar(route_handlers=[talk], openapi_config=None)


def rooms(framework: str) -> Any:
    """The same chat on ``wirefast.rooms``: a message is encoded once, and nobody is waited for."""
    from wirefast.rooms import Hub

    hub = Hub()
    if framework == "wirefast":
        import wirefast as package

        app: Any = package.App(hub=hub)
    else:
        package = importlib.import_module(framework)

        @contextlib.asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            async with hub:
                yield

        app = package.FastAPI(lifespan=lifespan)

    @app.websocket("/ws/{client_id}")
    async def talk(websocket: package.WebSocket, client_id: int) -> None:
        await websocket.accept()
        async with hub.join("chat", websocket):
            async for text in websocket.iter_text():
                await websocket.send_text(f"You wrote: {text}")
                await hub.publish("chat", f"Client #{client_id} says: {text}")

    return app


def routes(framework: str, count: int) -> Any:
    """So many routes; the last one is the one that is asked for."""
    if framework == "starlette":
        from starlette.applications import Starlette
        from starlette.routing import WebSocketRoute
        from starlette.websockets import WebSocket

        async def opened(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.receive()

        return Starlette(routes=[WebSocketRoute(f"/service{n}/{{item_id:int}}/ws", opened) for n in range(count)])
    if framework == "litestar":
        from litestar import Litestar, websocket
        from litestar import WebSocket as Socket
        from litestar.exceptions import WebSocketDisconnect

        def service(number: int) -> Any:
            @websocket(f"/service{number}/{{item_id:int}}/ws", name=f"service{number}")
            async def opened(socket: Socket[Any, Any, Any], item_id: int) -> None:
                await socket.accept()
                try:
                    await socket.receive_text()
                except WebSocketDisconnect:
                    pass

            return opened

        return Litestar(route_handlers=[service(number) for number in range(count)], openapi_config=None)
    package, app = new_app(framework)

    async def endpoint(websocket: package.WebSocket, item_id: int) -> None:
        await websocket.accept()
        await websocket.receive()

    for number in range(count):
        app.websocket(f"/service{number}/{{item_id}}/ws")(endpoint)
    return app


def declared(framework: str, kind: str, count: int) -> Any:
    """An endpoint with so many dependencies (coroutines), or so many parameters (integers from the query)."""
    package, app = new_app(framework)

    def dependency(number: int) -> Any:
        async def give() -> int:
            return number

        return give

    names = [f"v{number}" for number in range(count)]
    values = ", ".join(names)
    source = f"async def endpoint(websocket, {values}):\n    await opened(websocket, [{values}])"

    async def opened(websocket: Any, given: list[int]) -> None:
        if given != list(range(count)):
            raise AssertionError(given)
        await websocket.accept()
        await websocket.receive()

    namespace: dict[str, Any] = {"opened": opened}
    exec(source, namespace)
    endpoint = namespace["endpoint"]
    marks = [package.Depends(dependency(n)) if kind == "dependencies" else package.Query() for n in range(count)]
    endpoint.__annotations__ = {"websocket": package.WebSocket}
    endpoint.__annotations__ |= {name: Annotated[int, mark] for name, mark in zip(names, marks, strict=True)}
    app.websocket("/ws")(endpoint)
    return app


def build(framework: str, subject: str) -> Any:
    """The application of a framework for a subject."""
    kind, _, count = subject.partition("-")
    if kind == "scene":
        return peers.build(framework)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as in peers.build
        if kind == "typed":
            return typed_peers.build(framework)
        if kind == "chat":
            return chat(framework)
        if kind == "rooms":
            return rooms(framework)
        if kind == "routes":
            return routes(framework, int(count))
        return declared(framework, kind, int(count))


def create() -> Any:
    """What a server that imports its application by name calls: FRAMEWORK and SUBJECT are in the environment."""
    return build(os.environ["WIRE_FRAMEWORK"], os.environ["WIRE_SUBJECT"])
