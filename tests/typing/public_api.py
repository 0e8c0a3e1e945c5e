"""What a type checker makes of the public API; read by mypy and pyright (tests/project/test_typing.py), never run."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal, assert_type

from pydantic import BaseModel
from starlette.datastructures import URL, Headers, QueryParams
from starlette.datastructures import State as StarletteState
from starlette.websockets import WebSocket as StarletteWebSocket

import wirefast
from wirefast import (
    APIRouter,
    App,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    File,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
    Security,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
    status,
)
from wirefast.concurrency import run_in_threadpool
from wirefast.encoders import jsonable_encoder
from wirefast.exceptions import RequestValidationError, WebSocketRequestValidationError
from wirefast.responses import HTMLResponse, JSONResponse
from wirefast.rooms import Drop, Hub, Policy, Stats
from wirefast.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    SecurityScopes,
)
from wirefast.testclient import TestClient
from wirefast.websockets import UnexpectedFrame, WebSocketState

assert_type(wirefast.__version__, str)
policy_violation: int = status.WS_1008_POLICY_VIOLATION

hub = Hub("redis://localhost", policy="drop_old", max_rooms=10, on_drop=lambda drop: assert_type(drop, Drop))
app = App(title="typed", explain_rejections="http", max_body_size=1, hub=hub)
router = APIRouter(prefix="/v1", tags=["one"], dependencies=[Depends(lambda: None)])
bearer = OAuth2PasswordBearer(tokenUrl="token")


class Item(BaseModel):
    name: str


# ---- Declarations keep the type of what they decorate, and stand as defaults of any type ----


def current_user(token: Annotated[str, Depends(bearer)], scopes: SecurityScopes) -> str:
    assert_type(scopes.scopes, list[str])
    return token


async def session() -> AsyncIterator[int]:
    yield 1


@app.websocket("/rooms/{room_id}", name="room")
async def room(
    websocket: WebSocket,
    room_id: Annotated[int, Path(ge=1)],
    user: Annotated[str, Security(current_user, scopes=["read"])],
    number: Annotated[int, Depends(session)],
    q: Annotated[list[str] | None, Query(max_length=5)] = None,
    x_token: Annotated[str, Header(convert_underscores=False)] = "",
    session_id: str = Cookie(default="none"),
) -> None:
    assert_type(websocket.url, URL)
    assert_type(websocket.headers, Headers)
    assert_type(websocket.query_params, QueryParams)
    assert_type(websocket.cookies, dict[str, str])
    assert_type(websocket.client_state, WebSocketState)
    assert_type(websocket.state, StarletteState)
    assert_type(await websocket.accept(subprotocol="chat", headers=[(b"a", b"b")]), None)
    assert_type(await websocket.receive_text(), str)
    assert_type(await websocket.receive_bytes(), bytes)
    assert_type(await websocket.receive_json(mode="binary"), Any)
    kind: str = "binary"
    assert_type(await websocket.receive_json(kind), Any)
    assert_type(await websocket.send_json([1], kind), None)
    assert_type(await websocket.send_text("text"), None)
    assert_type(await websocket.send_bytes(b"bytes"), None)
    assert_type(await websocket.send_json({"a": 1}), None)
    async for text in websocket.iter_text():
        assert_type(text, str)
    async for data in websocket.iter_bytes():
        assert_type(data, bytes)
    async for value in websocket.iter_json():
        assert_type(value, Any)
    assert_type(await websocket.close(code=1000, reason="done"), None)


async def takes_starlettes(websocket: StarletteWebSocket) -> None: ...


async def gives_ours(websocket: WebSocket) -> None:
    await takes_starlettes(websocket)


@router.get("/items/{name}", response_model=Item, status_code=200)
def read_item(name: str, request: Request, response: Response, tasks: BackgroundTasks) -> Item:
    tasks.add_task(print, name, end="")
    return Item(name=name)


@router.post("/items")
async def create_item(
    item: Annotated[Item, Body(embed=True)],
    upload: Annotated[UploadFile, File()],
    note: Annotated[str, Form()],
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
) -> JSONResponse:
    assert_type(upload.filename, str | None)
    assert_type(await upload.read(), bytes)
    assert_type(form.username, str)
    return JSONResponse(jsonable_encoder(item))


assert_type(read_item("a", Request({}), Response(), BackgroundTasks()), Item)
endpoint: Callable[..., Any] = room


@app.exception_handler(RequestValidationError)
async def on_invalid(request: Request, exc: RequestValidationError) -> Response:
    return HTMLResponse(str(exc.errors()), status_code=422)


@app.exception_handler(WebSocketRequestValidationError)
async def on_invalid_handshake(websocket: WebSocket, exc: WebSocketRequestValidationError) -> None:
    await websocket.close(code=1008)


app.include_router(router, prefix="/api", tags=["two"])
assert_type(app.dependency_overrides, dict[Callable[..., Any], Callable[..., Any]])
app.dependency_overrides[current_user] = lambda: "someone"
assert_type(app.url_path_for("room", room_id="1").__str__(), str)


# ---- Rooms ----


async def member(websocket: WebSocket) -> None:
    policy = Policy("conflate", max_messages=1)
    assert_type(websocket.try_send({"n": 1}, policy=policy, key="n"), Literal["sent", "queued", "dropped"])
    assert_type(websocket.buffered.messages, int)
    async with hub.join("room", websocket):
        assert_type(await hub.publish(["room", "other"], b"bytes", exclude=websocket, policy="close"), int)
        assert_type(hub.count("room"), int)
        assert_type(hub.stats, Stats)
    assert_type(await hub.close("room", 1001, reason="done"), int)


# ---- Security classes answer requests and sockets ----


async def credentials(websocket: WebSocket, request: Request) -> None:
    assert_type(await bearer(websocket), str | None)
    assert_type(await HTTPBearer()(request), HTTPAuthorizationCredentials | None)
    assert_type(await HTTPBasic()(websocket), HTTPBasicCredentials | None)
    assert_type(await APIKeyHeader(name="x")(websocket), str | None)
    assert_type(await APIKeyQuery(name="x")(request), str | None)
    assert_type(await APIKeyCookie(name="x")(websocket), str | None)


# ---- Exceptions say what they hold ----


def ends(exc: Exception) -> int:
    if isinstance(exc, WebSocketDisconnect):
        assert_type(exc.code, int)
    if isinstance(exc, HTTPException):
        assert_type(exc.status_code, int)
    if isinstance(exc, WebSocketException):
        assert_type(exc.reason, str)
    if isinstance(exc, UnexpectedFrame):
        assert_type(isinstance(exc, KeyError), bool)
    return 0


async def elsewhere() -> None:
    assert_type(await run_in_threadpool(ends, ValueError()), int)


# ---- The test client ----


def test_room() -> None:
    with TestClient(app) as client:
        assert_type(client.get("/api/v1/items/a").status_code, int)
        with client.websocket_connect("/rooms/1", subprotocols=["chat"]) as websocket:
            websocket.send_json([1])
            assert_type(websocket.receive_text(), str)


# ---- What a type checker has to refuse: an ignore that nothing needs is itself an error ----


async def refused(websocket: WebSocket) -> None:
    await websocket.send_text(b"bytes")  # type: ignore[arg-type]
    await websocket.send_bytes("text")  # type: ignore[arg-type]
    await websocket.receive_json(mode=1)  # type: ignore[arg-type]
    await websocket.close("1000")  # type: ignore[arg-type]
    await websocket.accept(protocol="chat")  # type: ignore[call-arg]
    App(explain_rejections="loudly")  # type: ignore[arg-type]
    App(max_body_size="1 MiB")  # type: ignore[arg-type]
    Hub(policy=1)  # type: ignore[arg-type]
    Policy("drop_old", max_messages="2")  # type: ignore[arg-type]
    websocket.try_send("text", policy=1)  # type: ignore[arg-type]
    await hub.publish(1, "text")  # type: ignore[call-overload]
    app.websocket(1)  # type: ignore[arg-type]
    app.include_router("router")  # type: ignore[arg-type]
    Query(gte=1)  # type: ignore[call-arg]
    Depends(1)  # type: ignore[arg-type]
    HTTPException("404")  # type: ignore[arg-type]
    print(wirefast.nothing)  # type: ignore[attr-defined]
