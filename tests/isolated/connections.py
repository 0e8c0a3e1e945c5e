"""Connections to an application: served, refused, failing, cancelled; over ASGI messages and over our protocol."""

import asyncio
from typing import Annotated, Any

from leaks import COUNT, check

from asgi import Client
from memory import Memory
from wirefast import App, Cookie, Depends, Header, Query, WebSocket, WebSocketDisconnect


class Mine(Exception):
    pass


def build() -> App:
    app = App()

    async def settings() -> dict[str, int]:
        return {"a": 1}

    async def user(token: Annotated[str, Query(min_length=3)], session: Annotated[str, Cookie()] = "") -> str:
        await asyncio.sleep(0)
        return token

    async def database(settings: Annotated[dict[str, int], Depends(settings)]) -> Any:
        yield "db"

    @app.exception_handler(Mine)
    async def handler(websocket: WebSocket, exc: Mine) -> None:
        await websocket.close(code=4000)

    @app.websocket("/{room}")
    async def endpoint(
        websocket: WebSocket,
        room: int,
        user: Annotated[str, Depends(user)],
        db: Annotated[str, Depends(database)],
        x_client: Annotated[str | None, Header()] = None,
    ) -> None:
        await websocket.accept()
        if room == 2:
            raise Mine
        if room == 3:
            raise LookupError
        if room == 4:
            await asyncio.Event().wait()
        try:
            async for message in websocket.iter_text():
                await websocket.send_text(message)
        except WebSocketDisconnect:
            pass

    return app


app = build()
HEADERS = [("cookie", "session=abc"), ("x-client", "leaks")]


async def served(i: int) -> None:
    client = await Client("a", waits=i % 2 == 0).connect(app, "/1?token=secret", headers=HEADERS)
    assert client.texts == ["a"]


async def refused(i: int) -> None:
    client = await Client().connect(app, "/x?token=a", headers=HEADERS)
    assert client.sent[0]["code"] == 1008


async def unmatched(i: int) -> None:
    # A new path each time: nothing may be remembered for it.
    client = await Client().connect(app, f"/none/{i}")
    assert client.sent[0]["code"] == 1000


async def handled(i: int) -> None:
    client = await Client().connect(app, "/2?token=secret", headers=HEADERS)
    assert client.sent[-1]["code"] == 4000


async def failing(i: int) -> None:
    try:
        await Client().connect(app, "/3?token=secret", headers=HEADERS)
    except LookupError:
        return
    raise AssertionError("the exception was lost")


async def cancelled(i: int) -> None:
    task = asyncio.ensure_future(Client().connect(app, "/4?token=secret", headers=HEADERS))
    for _ in range(i % 5):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    raise AssertionError("the cancellation was lost")


async def over_memory(i: int) -> None:
    """The protocol, its channel and its frames, one connection after the other."""
    peer = memory.open("/1?token=secret")
    peer.send("a")
    for _ in range(8):
        await asyncio.sleep(0)
    if i % 3:
        peer.close()
    else:
        peer.lose()
    await memory.ended()
    assert peer.messages == ["a"]


if __name__ == "__main__":
    memory = Memory(app)
    for work in (served, refused, unmatched, handled, failing, cancelled, over_memory):
        check(work, COUNT // (1 if work is served else 4))
