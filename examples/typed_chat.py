"""A chat of typed messages: what the client says wrong is answered, and who comes and goes is told.

    wirefast run examples/typed_chat.py

Then connect to ``ws://127.0.0.1:8000/rooms/1?name=ada`` and send ``{"type": "say", "text": "hello", "ref": 1}``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from wirefast import App, Query, WebSocket
from wirefast.rooms import Hub


class Say(BaseModel):
    type: Literal["say"]
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class Said(BaseModel):
    type: Literal["said"] = "said"
    by: str
    text: str


class Moved(BaseModel):
    type: Literal["joined", "left"]
    by: str


Name = Annotated[str, Query(min_length=1, max_length=32)]
hub = Hub()
app = App(hub=hub)
room = app.messages("/rooms/{room_id}", sends=Said | Moved)


@room.on_connect
async def joined(websocket: WebSocket, room_id: int, name: Name, hub: Hub) -> None:
    await websocket.accept()
    await hub.join(f"room:{room_id}", websocket)
    await hub.publish(f"room:{room_id}", Moved(type="joined", by=name))


@room.on
async def say(message: Say, room_id: int, name: Name, hub: Hub) -> None:
    await hub.publish(f"room:{room_id}", Said(by=name, text=message.text))


@room.on_disconnect
async def left(room_id: int, name: Name, hub: Hub) -> None:
    await hub.publish(f"room:{room_id}", Moved(type="left", by=name))
