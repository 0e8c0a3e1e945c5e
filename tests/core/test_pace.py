"""An endless response lets others run, whatever route it comes from and whatever its server's ``send`` does."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route

from exchanges import http_scope
from wirefast import APIRouter, App
from wirefast._core import pace as module
from wirefast._core.pace import PacedApp, PacedSend

MOST = 1_000_000


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


class Endless:
    """Streams until another task has run, or for very long."""

    stopped = False
    chunks = 0

    def __iter__(self) -> Any:
        while not self.stopped and self.chunks < MOST:
            self.chunks += 1
            yield b"x"

    async def stream(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk in self:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def endpoint(self, request: Request) -> StreamingResponse:
        return StreamingResponse(self.stream())


class Custom(BaseRoute):
    def __init__(self, app: Any) -> None:
        self.app = app

    def matches(self, scope: Any) -> Any:
        return Match.FULL, {}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def below(router: Any) -> Any:
    app = App()
    app.include_router(router)
    return app


def fallback(endless: Endless) -> Any:
    return APIRouter(default=endless.app)


WAYS: dict[str, Any] = {
    "operation": lambda e: below(with_operation(e)),
    "starlette route": lambda e: App(routes=[Route("/", e.endpoint)]),
    "add_route": lambda e: with_added_route(e),
    "mounted callable": lambda e: App(routes=[Mount("/", app=e.app)]),
    "mounted starlette": lambda e: App(routes=[Mount("/", app=Starlette(routes=[Route("/", e.endpoint)]))]),
    "mounted routes": lambda e: App(routes=[Mount("/", routes=[Route("/", e.endpoint)])]),
    "mounted app": lambda e: App(routes=[Mount("/", app=App(routes=[Route("/", e.endpoint)]))]),
    "host": lambda e: App(routes=[Host("example.org", app=e.app)]),
    "route of a class of the user's": lambda e: App(routes=[Custom(e.app)]),
    "partial match": lambda e: App(routes=[PartlyCustom(e.app)]),
    "router alone": lambda e: APIRouter(routes=[Mount("/", app=e.app)]),
    "default": fallback,
    "included mount": lambda e: below(APIRouter(routes=[Mount("/in", app=e.app)])),
    "included route": lambda e: below(APIRouter(routes=[Route("/", e.endpoint)])),
}
if importlib.util.find_spec("starlette.middleware.body_limit") is not None:  # what max_body_size needs
    WAYS["limited mount"] = lambda e: App(routes=[Mount("/", app=e.app)], max_body_size=10)


class PartlyCustom(Custom):
    def matches(self, scope: Any) -> Any:
        return Match.PARTIAL, {}


def with_operation(endless: Endless) -> APIRouter:
    router = APIRouter()
    router.get("/")(endless.endpoint)
    return router


def with_added_route(endless: Endless) -> App:
    app = App()
    app.add_route("/", endless.endpoint)
    return app


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
@pytest.mark.parametrize("way", WAYS)
def test_others_run(way: str, spec_version: str):
    endless = Endless()

    async def send(message: Any) -> None:
        """As uvicorn's, once the client has left."""

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def main() -> None:
        path = "/in/" if way == "included mount" else "/"
        scope = http_scope("GET", path, {"host": "example.org"}, asgi={"version": "3.0", "spec_version": spec_version})
        serving = asyncio.create_task(WAYS[way](endless)(scope, receive, send))
        await asyncio.sleep(0)
        endless.stopped = True
        await asyncio.wait([serving])
        serving.exception()

    asyncio.run(main())
    # A stream under another task group, as Starlette's before ASGI 2.4, begins a turn later.
    assert endless.chunks <= 64


def test_every_32_chunks():
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count())
        await asyncio.sleep(0)
        paced = PacedSend(send)
        await paced({"type": "http.response.start"})
        for _ in range(320):
            await paced({"type": "http.response.body", "more_body": True})
        await paced({"type": "http.response.body"})
        assert turns == 10
        counting.cancel()

    asyncio.run(main())
    assert len(sent) == 322


def test_what_the_application_is_called_with():
    calls: list[Any] = []
    PacedApp(lambda *args: calls.append(args))({"type": "http"}, "receive", "send")
    assert calls[0][:2] == ({"type": "http"}, "receive") and type(calls[0][2]) is PacedSend
