"""The line of a refused handshake says why; an unknown path is no refusal, and names the nearest route."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from peer import request

from wirefast import APIRouter, App, HTTPException, Query, Refuse, WebSocket, WebSocketException
from wirefast._core import unrouted
from wirefast.server.reasons import ERRORS_MAX, REASON_MAX, close_line, denial_line
from wirefast.testing import live


def answer(serve: Any, app: Any, path: str) -> tuple[int, bytes, str]:
    """Status, body, and the end of the line in the log."""
    server = serve(app)
    with server.peer() as peer:
        status, _, body = peer.send(request(path)).response()
    server.stop()
    (line,) = [text for each in server.records if '"WebSocket ' in (text := each.getMessage())]
    return status, body, line.partition('" ')[2]


def service(**options: Any) -> App:
    app = App(**options)

    @app.websocket("/items/{item_id}")
    async def item(websocket: WebSocket, item_id: int, limit: int = Query(5)) -> None: ...

    @app.websocket("/late")
    async def late(websocket: WebSocket) -> None:
        raise WebSocketException(4040, "no such\nroom")

    @app.websocket("/http")
    async def http(websocket: WebSocket) -> None:
        raise HTTPException(401, "token expired")

    @app.websocket("/refuse")
    async def refuse(websocket: WebSocket) -> None:
        raise Refuse(429, "slow down", code=4429)

    @app.websocket("/silent")
    async def silent(websocket: WebSocket) -> None:
        await websocket.close()

    return app


@pytest.mark.parametrize(
    ("path", "options", "status", "end"),
    [
        ("/items/hunter2?limit=pw", {}, 403, "403 (1008: path.item_id int_parsing, query.limit int_parsing)"),
        ("/items/hunter2", {"explain_rejections": "http"}, 422, "422 (path.item_id int_parsing)"),
        ("/late", {}, 403, "403 (4040: no such\\nroom)"),
        ("/http", {}, 401, "401 (token expired)"),
        ("/refuse", {}, 429, "429 (slow down)"),
        ("/silent", {}, 403, "403 (1000)"),
    ],
)
def test_the_line_ends_with_code_and_reason(
    serve: Any, path: str, options: dict[str, Any], status: int, end: str
) -> None:
    got, _, line = answer(serve, service(**options), path)
    assert (got, line) == (status, end)


def test_the_servers_own_refusals(serve: Any) -> None:
    server = serve(service())
    with server.peer() as peer:
        peer.send(request("/late", headers=[("Sec-WebSocket-Extensions", "a;;")])).response()
    server.stop()
    (line,) = [text for each in server.records if '"WebSocket ' in (text := each.getMessage())]
    assert line.partition('" 400 (')[2].startswith("malformed")


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrouted, "_searched", -1e9)


def many() -> App:
    app = App()
    router = APIRouter(prefix="/api")

    @router.websocket("/rooms/{room_id}/members")
    async def members(websocket: WebSocket, room_id: str) -> None: ...

    @app.websocket("/chat")
    async def chat(websocket: WebSocket) -> None: ...

    @app.get("/page")
    async def page() -> None: ...

    app.include_router(router)
    inner = App()
    inner.add_api_websocket_route("/inside", chat)
    app.mount("/sub", inner)
    return app


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/chta", "404 (no route; the nearest is /chat)"),
        ("/chat/", "404 (no route; the nearest is /chat)"),
        ("/api/rooms/7/member", "404 (no route; the nearest is /api/rooms/{room_id}/members)"),
        ("/zzz", "404 (no route)"),
        ("/page", "404 (no route for WebSockets, only for GET)"),
        ("/sub/insid", "404 (no route; the nearest is /sub/inside)"),
    ],
)
def test_an_unknown_path_is_no_refusal(serve: Any, path: str, end: str) -> None:
    status, body, line = answer(serve, many(), path)
    assert (status, line) == (404, end)
    assert json.loads(body) == {"code": 1000, "reason": "no route"}


@pytest.mark.usefixtures("searched")
def test_the_same_of_an_application_of_fastapi(serve: Any) -> None:
    fastapi = pytest.importorskip("fastapi", reason="it needs Python 3.11")
    app = fastapi.FastAPI()

    async def chat(websocket, limit: int = 5) -> None:  # type: ignore[no-untyped-def]
        await websocket.close()

    chat.__annotations__.update(websocket=fastapi.WebSocket, limit=int)
    app.websocket("/chat")(chat)

    assert answer(serve, app, "/chta")[::2] == (404, "404 (no route; the nearest is /chat)")
    assert answer(serve, app, "/chat")[::2] == (403, "403 (1000)")
    # FastAPI gives a list as the reason, with what the client sent.
    status, body, line = answer(serve, app, "/chat?limit=hunter2")
    assert (status, line) == (403, "403 (1008: query.limit int_parsing)")
    assert (
        json.loads(body)["reason"].startswith("query.limit: Input should be a valid integer") and b"hunter2" not in body
    )


@pytest.mark.usefixtures("searched")
def test_a_flood_of_unknown_paths_is_compared_once_a_second() -> None:
    scope = {"router": many().router, "path": "/chta"}
    assert unrouted.missing_route(scope) == "no route; the nearest is /chat"
    assert unrouted.missing_route(scope) == "no route"
    assert unrouted.missing_route({**scope, "path": "/" + "x" * unrouted.PATH_MAX}) == "no route"
    assert unrouted.missing_route({"path": "/chta"}) is None


def test_a_client_of_the_kit_gets_the_same() -> None:
    async def scene() -> None:
        async with live(many()) as server:
            await server.client().expect_refused(404, "/chta")
            await server.client().expect_refused(404, "/sub/insid")

    asyncio.run(scene())


def test_reasons_are_bounded() -> None:
    errors = [{"loc": ("query", str(n)), "type": "missing"} for n in range(ERRORS_MAX + 2)]
    assert close_line(1008, "", errors).endswith("query.4 missing, 2 more)")
    assert close_line(1008, "x" * (REASON_MAX + 1)) == f"403 (1008: {'x' * REASON_MAX}...)"
    forbidden = [{"loc": ("query", "secret-of-the-client"), "type": "extra_forbidden"}]
    assert close_line(1008, "", forbidden) == "403 (1008: query extra_forbidden)"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"detail": 1}', b'{"detail": [1]}', b'{"a": 1}'])
def test_a_body_that_says_nothing(body: bytes) -> None:
    assert denial_line(403, body) == "403"
