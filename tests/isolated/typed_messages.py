"""Sockets of typed messages: every reply and error, message-scoped generators, disconnects while handlers wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from leaks import COUNT, check
from pydantic import BaseModel

from asgi import websocket_scope
from wirefast import App, Depends, HTTPException, WebSocket, WebSocketException
from wirefast.messages import Disconnect, MessageError
from wirefast.responses import JSONResponse

logging.getLogger("wirefast.messages").disabled = True


class Do(BaseModel, extra="forbid"):
    type: Literal["do"]
    what: str


class Done(BaseModel):
    type: Literal["done"] = "done"
    what: str


class Known(Exception): ...


app = App()


@app.exception_handler(Known)
async def known(websocket: Any, exc: Known) -> JSONResponse:
    return JSONResponse("known", status_code=409)


async def session() -> AsyncIterator[object]:
    yield object()


room = app.messages("/", in_flight=2)
RAISED = {"message": MessageError, "http": HTTPException, "known": Known, "bug": ZeroDivisionError}


async def act(what: str) -> Done:
    if what in RAISED:
        raise RAISED[what](*{"message": ("m", "words"), "http": (404, "words")}.get(what, ()))
    if what == "close":
        raise WebSocketException(4000, "enough")
    await asyncio.sleep(0)
    if what == "wait":
        await asyncio.Event().wait()
    return Done(what=what)


@room.on
async def do(message: Do, held: Annotated[object, Depends(session, scope="message")]) -> Done:
    return await act(message.what)


@room.on("plain")
async def plain(what: str) -> Done:
    return await act(what)


@room.on("beside", concurrent=True)
async def beside(what: str, held: Annotated[object, Depends(session, scope="message")]) -> Done:
    return await act(what)


@room.on("several")
async def several(what: str) -> AsyncIterator[Done]:
    yield Done(what="1")
    yield await act(what)


@room.on_disconnect
async def left(end: Disconnect) -> None: ...


@app.websocket_stream("/stream")
async def stream() -> AsyncIterator[Done]:
    yield Done(what="1")
    await asyncio.sleep(0)
    yield Done(what="2")


@app.websocket("/loop")
async def loop(websocket: WebSocket, held: Annotated[object, Depends(session, scope="message")]) -> None:
    await websocket.accept()
    async for message in websocket.iter_messages(Do):
        async with websocket.message_scope():
            assert held is not None
            await websocket.send_message(await act(message.what))


class Server:
    """Gives the texts, some of them after a wait, then the end; over a server that waits now and then."""

    def __init__(self, texts: list[str], i: int) -> None:
        self.events: list[Any] = [{"type": "websocket.connect"}]
        self.events += [{"type": "websocket.receive", "text": text} for text in texts]
        self.events.append({"type": "websocket.disconnect", "code": 1000})
        self.waits = i % 2 == 0

    async def receive(self) -> Any:
        if self.waits or len(self.events) == 1:
            for _ in range(6):
                await asyncio.sleep(0)
        return self.events.pop(0) if len(self.events) > 1 else self.events[0]

    async def send(self, message: Any) -> None:
        if self.waits:
            await asyncio.sleep(0)


KINDS = ("do", "plain", "beside", "several")
INVALID = ["{", "[]", '{"type": "x", "ref": 1}', '{"type": "do", "ref": "a", "more": 1}', '{"ref": 1.5}']


async def serve(texts: list[str], i: int, path: str = "/") -> None:
    server = Server(texts, i)
    await app(websocket_scope(path), server.receive, server.send)


def texts(what: str) -> list[str]:
    return [f'{{"type": "{kind}", "what": "{what}", "ref": {number}}}' for number, kind in enumerate(KINDS)]


async def answered(i: int) -> None:
    await serve([*texts("x"), *INVALID], i)


async def failing(i: int) -> None:
    await serve([text for what in RAISED for text in texts(what)], i)


async def closing(i: int) -> None:
    await serve([texts("close")[i % 4]], i)


async def cancelled(i: int) -> None:
    await serve([texts("wait")[i % 4], *texts("x")], i)


async def stopped(i: int) -> None:
    server = Server([texts("wait")[i % 4]], 0)
    server.events.pop()
    server.events.append(None)

    async def receive() -> Any:
        event = server.events.pop(0)
        return event if event is not None else await asyncio.Event().wait()

    task = asyncio.create_task(app(websocket_scope(), receive, server.send))
    for _ in range(30):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def streamed(i: int) -> None:
    await serve([], i, "/stream")


async def looped(i: int) -> None:
    ends = [texts("close")[0]] if i % 2 else []
    await serve([texts("x")[0], *INVALID, texts("x")[0], *ends], i, "/loop")


for case in (looped, answered, failing, closing, cancelled, stopped, streamed):
    check(case, COUNT // 50)
