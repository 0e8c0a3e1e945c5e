"""Sockets in the document: off by default; each a GET that answers 101, with its parameters and its security."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel

from wirefast import APIRouter, App, Depends, Query, Security, WebSocket
from wirefast.security import HTTPBearer


class Filters(BaseModel):
    limit: int = 5


def user(token: Annotated[Any, Depends(HTTPBearer())], page: int = 1) -> None: ...


def application(**options: Any) -> App:
    app, router = App(**options), APIRouter(prefix="/in", dependencies=[Security(user, scopes=["r"])])

    @router.websocket("/{room_id:int}/ws", name="the_room")
    async def room(websocket: WebSocket, room_id: int, filters: Annotated[Filters, Query()]) -> None:
        """
        Talks.
        \f
        Not for the public.
        """

    @app.websocket("/both")
    async def both(websocket: WebSocket) -> None: ...

    @app.get("/both")
    def get_both() -> None: ...

    app.include_router(router, prefix="/v1")
    app.websocket_route("/plain")(both)
    return app


def test_off_by_default() -> None:
    assert list(application().openapi()["paths"]) == ["/both"]
    assert application().openapi()["paths"]["/both"]["get"]["operationId"] == "get_both_both_get"


def test_routers_that_stay_out() -> None:
    async def socket(websocket: WebSocket) -> None: ...

    def paths(app_shown: bool, outer_shown: bool, inner_shown: bool, include_shown: bool) -> list[str]:
        app = App(openapi_websockets=True, include_in_schema=app_shown)
        outer = APIRouter(prefix="/o", include_in_schema=outer_shown)
        inner = APIRouter(prefix="/i", include_in_schema=inner_shown)
        for router in (app, outer, inner):
            router.websocket("/ws")(socket)
        outer.include_router(inner, include_in_schema=include_shown)
        app.include_router(outer)
        return sorted(app.openapi()["paths"])

    assert paths(True, True, True, True) == ["/o/i/ws", "/o/ws", "/ws"]
    assert paths(True, True, True, False) == paths(True, True, False, True) == ["/o/ws", "/ws"]
    assert paths(True, False, True, True) == ["/ws"]
    assert paths(False, True, True, True) == []


def test_on() -> None:
    document = application(openapi_websockets=True).openapi()
    assert set(document["paths"]) == {"/both", "/v1/in/{room_id}/ws"}
    # The page at the same path is what a GET without an upgrade finds.
    assert document["paths"]["/both"]["get"]["operationId"] == "get_both_both_get"
    assert document["paths"]["/v1/in/{room_id}/ws"] == {
        "get": {
            "summary": "The Room",
            "description": "Talks.",
            "operationId": "the_room_v1_in__room_id__ws_websocket",
            "security": [{"HTTPBearer": ["r"]}],
            "parameters": [
                {"name": "room_id", "in": "path", "required": True, "schema": {"type": "integer", "title": "Room Id"}},
                {
                    "name": "limit",
                    "in": "query",
                    "required": False,
                    "schema": {"type": "integer", "default": 5, "title": "Limit"},
                },
                {
                    "name": "page",
                    "in": "query",
                    "required": False,
                    "schema": {"type": "integer", "default": 1, "title": "Page"},
                },
            ],
            "responses": {"101": {"description": "Switching Protocols"}},
        }
    }
    assert document["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
