"""Typed messages: who looks says what to watch, and leaves notes for the others."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Room

app = App(hub=Hub())
Sensor = Literal["load", "memory", "door"]


class Reading(BaseModel):
    type: Literal["reading"] = "reading"
    sensor: Sensor
    value: float


class Watch(BaseModel):
    type: Literal["watch"] = "watch"
    sensor: Sensor


class Watching(BaseModel):
    type: Literal["watching"] = "watching"
    sensor: Sensor


class Note(BaseModel):
    type: Literal["note"] = "note"
    text: Annotated[str, Field(min_length=1, max_length=500)]


class Noted(BaseModel):
    type: Literal["noted"] = "noted"
    text: str


readings = Room("readings:{sensor}", Reading)
notes = Room("notes", Noted)
live = app.messages("/live", sends=Watching | Reading | Noted)


@app.post("/readings")
async def take(reading: Reading, hub: Hub) -> dict[str, int]:
    return {"told": await hub.publish(readings(sensor=reading.sensor), reading)}


@live.on_connect
async def come(websocket: WebSocket, hub: Hub) -> None:
    await websocket.accept()
    await hub.join(notes(), websocket)


@live.on
async def watch(message: Watch, websocket: WebSocket, hub: Hub) -> Watching:
    await hub.join(readings(sensor=message.sensor), websocket)
    return Watching(sensor=message.sensor)


@live.on
async def note(message: Note, hub: Hub) -> None:
    await hub.publish(notes(), Noted(text=message.text))
