"""What generated clients talk to: replies, errors, closes by request, a token that expires, text and bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from wirefast import App, Depends, Query, Response, WebSocket, WebSocketException
from wirefast.messages import MessageError
from wirefast.rooms import Hub
from wirefast.security import APIKeyQuery, Ticket, Tickets, WebSocketBearer
from wirefast.security.websocket_bearer import Source


class Say(BaseModel):
    """Say something to all in the room."""

    type: Literal["say"]
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class Ask(BaseModel):
    type: Literal["ask"]
    number: int
    wait: float = 0.0


class Leave(BaseModel):
    """Have the socket closed."""

    type: Literal["leave"]
    code: int
    reason: str = ""


class Said(BaseModel):
    type: Literal["said"] = "said"
    by: str
    text: str


class Answer(BaseModel):
    type: Literal["answer"] = "answer"
    number: int


class Tick(BaseModel):
    number: int


hub = Hub()
app = App(title="Clients", hub=hub)
room = app.messages("/rooms/{room_id}", sends=Said | Answer)
Name = Annotated[str, Query(max_length=32)]


@room.on_connect
async def joined(websocket: WebSocket, room_id: int, hub: Hub) -> None:
    await websocket.accept()
    await hub.join(f"room:{room_id}", websocket)


@room.on
async def say(message: Say, room_id: int, hub: Hub, name: Name = "ada") -> Said:
    if message.text == "full?":
        raise MessageError("full", "the room is full", data={"limit": 2})
    said = Said(by=name, text=message.text)
    if message.text == "to all":
        await hub.publish(f"room:{room_id}", said)
    return said


@room.on(concurrent=True)
async def ask(message: Ask) -> Answer:
    await asyncio.sleep(message.wait)
    return Answer(number=message.number)


@room.on
async def leave(message: Leave) -> None:
    raise WebSocketException(message.code, message.reason)


tokens = {"good"}


async def check_token(websocket: WebSocket, token: Annotated[Any, Depends(APIKeyQuery(name="key"))]) -> str:
    if token not in tokens:
        await websocket.accept()
        raise WebSocketException(4401, "the token has expired")
    return str(token)


private = app.messages("/private", dependencies=[Depends(check_token)])


@private.on("hello")
async def hello(name: str) -> Said:
    return Said(by="server", text=name)


tickets = Tickets(ttl=30)
ticketed = app.messages("/ticketed")


@app.post("/tickets")
async def issue(response: Response) -> str:
    """Issue a ticket to pages of any origin: who asks is not looked at here."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return await tickets.issue("ada")


@ticketed.on("whose")
async def whose(ticket: Annotated[Ticket, Depends(tickets)], unused: int = 0) -> Said:
    return Said(by="server", text=ticket.subject)


@ticketed.on("restart")
async def restart(unused: int = 0) -> None:
    raise WebSocketException(1012, "retry=1")


@app.websocket_stream("/ticks/{last}")
async def ticks(last: int) -> AsyncIterator[Tick]:
    for number in range(last):
        yield Tick(number=number)


@app.websocket("/echo/{path:path}", receives=str | bytes, sends=str | bytes)
async def echo(websocket: WebSocket, path: str, shout: bool = False) -> None:
    await websocket.accept()
    await websocket.send_text(path)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is not None:
            await websocket.send_text(message["text"].upper() if shout else message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


def add_tokens(source: Source) -> None:
    """Add a socket that reads its token from one place, and says it."""
    bearer = WebSocketBearer(sources=[source], scheme_name=source)
    told = app.messages(f"/tokens/{source}", dependencies=[Depends(bearer)])

    @told.on("which", operation_id=f"which_{source}")
    async def which(unused: int = 0, token: str = Depends(bearer)) -> Said:  # noqa: B008
        return Said(by=source, text=token)


for place in ("header", "subprotocol", "message", "query"):
    add_tokens(place)
