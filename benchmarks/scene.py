"""The application of the connection and message benchmarks, word for word the same on FastAPI and on wirefast.

32 routes, 4 dependencies (one with yield, one used twice), 6 parameters, and an echo for each kind of message.
"""

import importlib
from typing import Annotated, Any, Optional

import orjson

# The connection that is measured.
PATH = "/chat/rooms/42/ws"
QUERY = b"token=secret123&limit=20"
HEADERS = [(b"cookie", b"session=abc; theme=dark"), (b"x-client", b"bench")]

# The values that are echoed as JSON: 128 B and 18 KiB of text.
SMALL = {"type": "message", "room": 42, "from": "ada", "id": 1234567, "text": "x" * 64}
LARGE = [{"id": number, "name": f"user {number}", "scores": [1.5, 2.25, number], "ok": True} for number in range(300)]


def compact(value: Any) -> str:
    """JSON without spaces."""
    return orjson.dumps(value).decode()


def build(framework: str) -> Any:
    """The application on the package of that name, ``"fastapi"`` or ``"wirefast"``."""
    package = importlib.import_module(framework)
    Cookie, Depends, Header, Query = package.Cookie, package.Depends, package.Header, package.Query
    WebSocket, WebSocketDisconnect = package.WebSocket, package.WebSocketDisconnect
    app = package.App() if hasattr(package, "App") else package.FastAPI()
    router = package.APIRouter(prefix="/chat")

    async def get_settings():
        return {"a": 1}

    async def get_token(
        token: Annotated[str, Query(min_length=3)],
        x_client: Annotated[Optional[str], Header()] = None,  # noqa: UP045
    ):
        return token

    async def get_user(
        token: Annotated[str, Depends(get_token)],
        settings: Annotated[dict, Depends(get_settings)],
        session: Annotated[Optional[str], Cookie()] = None,  # noqa: UP045
    ):
        return {"user": token, "session": session}

    async def get_db(settings: Annotated[dict, Depends(get_settings)]):
        yield "db"

    def service(number):
        @router.websocket(f"/svc{number}/{{item_id}}/ws", name=f"svc{number}")
        async def other(websocket: WebSocket, item_id: int):
            await websocket.accept()

    for number in range(28):
        service(number)

    @router.websocket("/rooms/{room_id}/ws")
    async def room(
        websocket: WebSocket,
        room_id: int,
        user: Annotated[dict, Depends(get_user)],
        db: Annotated[str, Depends(get_db)],
        limit: Annotated[int, Query(ge=1, le=100)] = 10,
    ):
        websocket.state.solved = [room_id, user, db, limit]
        await websocket.accept()
        try:
            while True:
                await websocket.send_json(await websocket.receive_json())
        except WebSocketDisconnect:
            pass

    app.include_router(router)

    @app.websocket("/text")
    async def text(websocket: WebSocket):
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect:
            pass

    @app.websocket("/bytes")
    async def binary(websocket: WebSocket):
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(await websocket.receive_bytes())
        except WebSocketDisconnect:
            pass

    @app.websocket("/json")
    async def json(websocket: WebSocket):
        await websocket.accept()
        try:
            while True:
                await websocket.send_json(await websocket.receive_json())
        except WebSocketDisconnect:
            pass

    return app
