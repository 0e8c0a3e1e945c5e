"""The frameworks that are measured, each doing the work of scene.py in its own words."""

import importlib.util
import warnings
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks import scene
from wirefast import Limits, Rate
from wirefast.limits.admission import Admission

OURS = "wirefast"
INSTALLED = [OURS, "fastapi", "starlette", "litestar", "floor"]
ABSENT = [name for name in INSTALLED if name != "floor" and importlib.util.find_spec(name) is None]
INSTALLED = [name for name in INSTALLED if name not in ABSENT]

# Those with dependencies and parameters of our kind.
FRAMEWORKS = [name for name in (OURS, "fastapi") if name in INSTALLED]


def build(name: str) -> Any:
    """The ASGI application of a peer. "floor" knows /text, /bytes and /json and does the least that any must."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Litestar's, of declarations that all its 2.x understand
        return BUILDERS[name]()


def starlette() -> Any:
    """Starlette with as many routes; it has no dependencies."""

    async def opened(websocket: WebSocket) -> None:
        await websocket.accept()

    async def text(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect:
            pass

    async def binary(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(await websocket.receive_bytes())
        except WebSocketDisconnect:
            pass

    async def json(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_json(await websocket.receive_json())
        except WebSocketDisconnect:
            pass

    routes = [WebSocketRoute(f"/chat/svc{number}/{{item_id}}/ws", opened) for number in range(28)]
    routes += [
        WebSocketRoute("/chat/rooms/{room_id}/ws", json),
        WebSocketRoute("/text", text),
        WebSocketRoute("/bytes", binary),
        WebSocketRoute("/json", json),
    ]
    return Starlette(routes=routes)


def starlette_bare() -> Any:
    """One route without parameters, alone in its application: the least that Starlette does for a connection."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_json(await websocket.receive_json())
        except WebSocketDisconnect:
            pass

    return Starlette(routes=[WebSocketRoute("/json", endpoint)])


def litestar() -> Any:
    """Litestar with the same dependencies and parameters; its cookies and headers are parameters too."""
    from litestar import Litestar, Router, websocket
    from litestar import WebSocket as Socket
    from litestar.di import Provide
    from litestar.exceptions import WebSocketDisconnect
    from litestar.params import Parameter

    async def get_settings() -> dict[str, int]:
        return {"a": 1}

    async def get_token(
        token: Annotated[str, Parameter(query="token", min_length=3)],
        x_client: Annotated[str | None, Parameter(header="x-client")] = None,
    ) -> str:
        return token

    async def get_user(
        checked_token: str,
        settings: dict[str, int],
        session: Annotated[str | None, Parameter(cookie="session")] = None,
    ) -> dict[str, Any]:
        return {"user": checked_token, "session": session}

    async def get_db(settings: dict[str, int]) -> Any:
        yield "db"

    def service(number: int) -> Any:
        @websocket(f"/svc{number}/{{item_id:int}}/ws", name=f"svc{number}")
        async def other(socket: Socket[Any, Any, Any], item_id: int) -> None:
            await socket.accept()

        return other

    dependencies = {
        "settings": Provide(get_settings),
        "checked_token": Provide(get_token),
        "user": Provide(get_user),
        "db": Provide(get_db),
    }

    @websocket("/rooms/{room_id:int}/ws", dependencies=dependencies)
    async def room(
        socket: Socket[Any, Any, Any],
        room_id: int,
        user: dict[str, Any],
        db: str,
        limit: Annotated[int, Parameter(query="limit", ge=1, le=100)] = 10,
    ) -> None:
        socket.scope["state"]["solved"] = [room_id, user, db, limit]
        await socket.accept()
        try:
            while True:
                await socket.send_json(await socket.receive_json())
        except WebSocketDisconnect:
            pass

    @websocket("/text")
    async def text(socket: Socket[Any, Any, Any]) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    @websocket("/bytes")
    async def binary(socket: Socket[Any, Any, Any]) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_bytes(await socket.receive_bytes())
        except WebSocketDisconnect:
            pass

    @websocket("/json")
    async def json(socket: Socket[Any, Any, Any]) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_json(await socket.receive_json())
        except WebSocketDisconnect:
            pass

    services = [service(number) for number in range(28)]
    return Litestar(
        route_handlers=[Router("/chat", route_handlers=[*services, room]), text, binary, json], openapi_config=None
    )


async def floor(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """The echo without a framework: no state machine, no checks; what is left is ASGI's and orjson's cost."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    decoded = scope["path"] == "/json"
    key = "bytes" if scope["path"] == "/bytes" else "text"
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        payload = message[key]
        if decoded:
            payload = orjson.dumps(orjson.loads(payload)).decode()
        await send({"type": "websocket.send", key: payload})


def limited() -> Any:
    """Ours with every limit set, none of which is reached."""
    app = scene.build("wirefast")
    few = Rate(10_000_000)
    limits = Limits(
        connections=50_000,
        per_ip=50_000,
        per_user=50_000,
        user=lambda websocket: "ada",
        handshakes=few,
        messages=few,
        bytes=Rate(1 << 40),
        message_bytes=65536,
        first_message=10.0,
        idle=120.0,
        lifetime=86400.0,
        rooms=100,
        in_flight=8,
    )
    app.router.admission = Admission.of(origins=["http://127.0.0.1:8000"], limits=limits)
    return app


BUILDERS: dict[str, Callable[[], Any]] = {
    OURS: lambda: scene.build("wirefast"),
    "wirefast_limited": limited,
    "fastapi": lambda: scene.build("fastapi"),
    "starlette": starlette,
    "starlette_bare": starlette_bare,
    "litestar": litestar,
    "floor": lambda: floor,
}
