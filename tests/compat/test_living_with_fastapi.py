"""One router at a time: FastAPI's objects in our signatures, its routers in our applications, mounts both ways."""

from __future__ import annotations

from typing import Annotated, Any

import fastapi
import fastapi.security
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import wirefast

scheme = fastapi.security.OAuth2PasswordBearer(tokenUrl="token", auto_error=False)


def doubled(q: Annotated[int, fastapi.Query(ge=1)]) -> int:
    return q * 2


def fastapi_router() -> fastapi.APIRouter:
    router = fastapi.APIRouter(prefix="/theirs")

    @router.websocket("/{x}")
    async def socket(
        websocket: fastapi.WebSocket,
        x: int,
        twice: Annotated[int, fastapi.Depends(doubled)],
        token: Annotated[str | None, fastapi.Security(scheme, scopes=["read"])],
        scopes: fastapi.security.SecurityScopes,
    ) -> None:
        await websocket.accept()
        await websocket.send_json([x, twice, token, scopes.scopes, type(websocket).__module__])

    @router.get("/page/{x}")
    async def page(x: int, twice: Annotated[int, fastapi.Depends(doubled)]) -> list[int]:
        return [x, twice]

    return router


def ours_including_theirs() -> Any:
    app = wirefast.App()
    app.include_router(fastapi_router(), prefix="/in")  # type: ignore[arg-type]
    return app


def ours_including_theirs_nested() -> Any:
    outer = fastapi.APIRouter(prefix="/in")
    outer.include_router(fastapi_router())
    app = wirefast.App()
    app.include_router(outer)  # type: ignore[arg-type]
    return app


def theirs_mounting_ours() -> Any:
    app = fastapi.FastAPI()
    app.mount("/mounted", ours_including_theirs())
    return app


def ours_mounting_theirs() -> Any:
    inner = fastapi.FastAPI()
    inner.include_router(fastapi_router(), prefix="/in")
    app = wirefast.App()
    app.mount("/mounted", inner)
    return app


@pytest.mark.parametrize(
    ("build", "prefix", "websocket_module"),
    [
        (ours_including_theirs, "/in", "wirefast.websockets"),
        (ours_including_theirs_nested, "/in", "wirefast.websockets"),
        (theirs_mounting_ours, "/mounted/in", "wirefast.websockets"),
        (ours_mounting_theirs, "/mounted/in", "starlette.websockets"),
    ],
)
def test_one_router_both_frameworks(build: Any, prefix: str, websocket_module: str) -> None:
    client = TestClient(build())
    headers = {"authorization": "Bearer secret"}
    with client.websocket_connect(f"{prefix}/theirs/3?q=2", headers=headers) as websocket:
        assert websocket.receive_json() == [3, 4, "secret", [], websocket_module]
    assert client.get(f"{prefix}/theirs/page/3?q=2").json() == [3, 4]
    assert client.get(f"{prefix}/theirs/page/3?q=0").json()["detail"][0]["loc"] == ["query", "q"]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_routes_added_to_an_included_router_of_theirs_are_served(depth: int) -> None:
    router = fastapi.APIRouter()

    async def socket(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.url.path)

    def page(request: fastapi.Request) -> str:
        return request.url.path

    router.add_api_websocket_route("/first", socket)
    outer: Any = router
    for kind in [fastapi.APIRouter, wirefast.APIRouter][: depth - 1]:
        outer, inner = kind(), outer
        outer.include_router(inner)
    app = wirefast.App()
    app.include_router(outer, prefix="/in")
    client = TestClient(app)

    def served(path: str) -> bool:
        try:
            with client.websocket_connect(path) as websocket:
                return bool(websocket.receive_text() == path)
        except WebSocketDisconnect:
            return False

    assert served("/in/first") and not served("/in/late")
    assert client.get("/in/page").status_code == 404
    router.add_api_websocket_route("/late", socket)
    router.add_api_route("/page", page)
    assert client.get("/in/page").json() == "/in/page"
    assert served("/in/first") and served("/in/late")
