"""The application of the scenes: an endpoint for each thing that a connection can do, and what it has seen."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from wirefast import App, Depends, HTTPException, WebSocket, WebSocketDisconnect, WebSocketException
from wirefast.messages import MessageError
from wirefast.responses import PlainTextResponse, StreamingResponse
from wirefast.rooms import Hub, Policy
from wirefast.security import HTTPBearer


class Say(BaseModel):
    type: Literal["say"]
    text: str


class Said(BaseModel):
    type: Literal["said"] = "said"
    text: str


def make_app() -> App:
    """An application whose ``state.seen`` says what its handlers have seen."""
    app = App(hub=Hub(policy=Policy("close", max_messages=3)))
    seen: list[Any] = []
    app.state.seen = seen

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept("b" if "b" in websocket.scope["subprotocols"] else None, [(b"x-made-by", b"wirefast")])
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    seen.append((message["code"], message.get("reason")))
                    return
                if message.get("text") is not None:
                    await websocket.send_text(message["text"])
                else:
                    await websocket.send_bytes(message["bytes"])
        finally:
            seen.append("left")

    @app.websocket("/closes/{code}")
    async def closes(websocket: WebSocket, code: int, reason: str = "") -> None:
        await websocket.accept()
        await websocket.send_text("before")
        await websocket.close(code, reason)

    @app.websocket("/returns")
    async def returns(websocket: WebSocket) -> None:
        await websocket.accept()

    @app.websocket("/raises")
    async def raises(websocket: WebSocket, when: str = "after") -> None:
        if when == "after":
            await websocket.accept()
        raise LookupError("a mistake")

    @app.websocket("/http-exception")
    async def http_exception(websocket: WebSocket) -> None:
        await websocket.accept()
        raise HTTPException(404, "no such thing")

    @app.websocket("/refuses")
    async def refuses(websocket: WebSocket, how: str) -> None:
        if how == "close":
            await websocket.close(4001, "not today")
        elif how == "policy":
            raise WebSocketException(1008, "policy")
        elif how == "http":
            raise HTTPException(401, "who are you?", {"www-authenticate": "Bearer"})
        elif how == "denial":
            await websocket.send_denial_response(PlainTextResponse("too many", 429, {"retry-after": "7"}))
        # and else: it returns without an answer

    @app.websocket("/numbers")
    async def numbers(websocket: WebSocket, n: int) -> None:
        await websocket.accept()

    @app.websocket("/secret")
    async def secret(websocket: WebSocket, token: Annotated[Any, Depends(HTTPBearer())]) -> None:
        await websocket.accept()
        await websocket.send_text(token.credentials)

    @app.websocket("/flood")
    async def flood(websocket: WebSocket, messages: int, size: int) -> None:
        await websocket.accept()
        for number in range(messages):
            await websocket.send_text(f"{number}:" + "x" * size)
        await websocket.close(1000, "done")

    @app.websocket("/rooms/{name}")
    async def rooms(websocket: WebSocket, name: str, hub: Hub) -> None:
        await websocket.accept()
        async with hub.join(name, websocket):
            await websocket.send_text("joined")
            async for text in websocket.iter_text():
                await hub.publish(name, text)

    typed = app.messages("/typed", sends=Said)

    @typed.on
    async def say(message: Say) -> Said:
        if message.text == "full":
            raise MessageError("full", "the room is full")
        if message.text == "broken":
            raise LookupError("a mistake")
        return Said(text=message.text)

    @app.websocket("/waits")
    async def waits(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await asyncio.sleep(30)
            await websocket.send_text("half a minute")
            await websocket.receive_text()
        except WebSocketDisconnect as exc:
            seen.append(exc.code)

    @app.get("/items/{number}")
    async def items(number: int) -> dict[str, int]:
        return {"number": number}

    @app.post("/items")
    async def add(item: Say) -> Say:
        return item

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            for number in range(3):
                yield f"{number};"

        return StreamingResponse(parts())

    return app
