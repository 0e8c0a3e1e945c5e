"""A room for each sensor, and a parameter that says which."""

from typing import Annotated, Literal

from pydantic import BaseModel

from wirefast import App, Query, WebSocket
from wirefast.rooms import Hub, Room

app = App(hub=Hub())
Sensor = Literal["load", "memory", "door"]


class Reading(BaseModel):
    type: Literal["reading"] = "reading"
    sensor: Sensor
    value: float


readings = Room("readings:{sensor}", Reading)


@app.post("/readings")
async def take(reading: Reading, hub: Hub) -> dict[str, int]:
    return {"told": await hub.publish(readings(sensor=reading.sensor), reading)}


@app.websocket("/live")
async def live(websocket: WebSocket, sensor: Annotated[list[Sensor], Query(min_length=1)], hub: Hub) -> None:
    await websocket.accept()
    async with hub.join([readings(sensor=name) for name in sensor], websocket):
        async for _ in websocket.iter_text():
            pass
