"""A chat of typed messages in thirty lines: who comes and goes is told, and what a client says wrong is answered.

    wirefast run examples/typed_chat.py

Then connect to ``ws://127.0.0.1:8000/rooms/1?name=ada`` and send ``{"type": "say", "text": "hello", "ref": 1}``.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from wirefast import App, Query, WebSocket
from wirefast.rooms import Hub, Room


class Say(BaseModel):
    type: Literal["say"]
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class Told(BaseModel):
    type: Literal["joined", "said", "left"]
    by: str
    text: str = ""


Name = Annotated[str, Query(min_length=1, max_length=32)]
chat = Room("room:{room_id}", Told)
app = App(hub=Hub())
room = app.messages("/rooms/{room_id}")


@room.on_connect
async def joined(websocket: WebSocket, room_id: int, name: Name, hub: Hub) -> None:
    await websocket.accept()
    await hub.join(chat(room_id=room_id), websocket)
    await hub.publish(chat(room_id=room_id), Told(type="joined", by=name))


@room.on
async def say(message: Say, room_id: int, name: Name, hub: Hub) -> None:
    await hub.publish(chat(room_id=room_id), Told(type="said", by=name, text=message.text))


@room.on_disconnect
async def left(room_id: int, name: Name, hub: Hub) -> None:
    await hub.publish(chat(room_id=room_id), Told(type="left", by=name))
