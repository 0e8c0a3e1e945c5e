"""Route tables and plans that come and go: routes added and taken away, overrides that change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from leaks import COUNT, check

from asgi import Client
from wirefast import APIRouter, App, Depends, WebSocket


async def original() -> str:
    return "original"


async def endpoint(websocket: WebSocket, value: Annotated[str, Depends(original)]) -> None:
    await websocket.accept()
    await websocket.send_text(value)


app = App()
app.websocket("/stays")(endpoint)


async def thawing(i: int) -> None:
    app.websocket(f"/{i}")(endpoint)
    client = await Client().connect(app, f"/{i}")
    assert client.texts == ["original"]
    app.routes.pop()


async def including(i: int) -> None:
    router = APIRouter()
    router.websocket("/x")(endpoint)
    app.include_router(router, prefix=f"/{i}")
    client = await Client().connect(app, f"/{i}/x")
    assert client.texts == ["original"]
    app.routes.pop()
    # What including adds besides the route belongs to the application.
    app.router.lifespan_context = lifespan


def replacement(text: str) -> Callable[[], Awaitable[str]]:
    async def replaced() -> str:
        return text

    return replaced


# How a callable is called is remembered for the last 4,096 of them, so these are the same ones over and over.
REPLACEMENTS = [replacement(str(i)) for i in range(50)]


async def overriding(i: int) -> None:
    app.dependency_overrides[original] = REPLACEMENTS[i % 50]
    client = await Client().connect(app, "/stays")
    assert client.texts == [str(i % 50)]
    app.dependency_overrides.clear()


if __name__ == "__main__":
    lifespan = app.router.lifespan_context
    for work in (thawing, including, overriding):
        # A route and its application know each other.
        check(work, COUNT // 200, cycles=True)
