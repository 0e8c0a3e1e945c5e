"""One source for all who look: a sensor posts its readings, and a room has those who are told."""

from typing import Literal

from pydantic import BaseModel

from wirefast import App, WebSocket
from wirefast.rooms import Hub

app = App(hub=Hub())


class Reading(BaseModel):
    type: Literal["reading"] = "reading"
    sensor: str
    value: float


@app.post("/readings")
async def take(reading: Reading, hub: Hub) -> dict[str, int]:
    return {"told": await hub.publish("readings", reading)}


@app.websocket("/live")
async def live(websocket: WebSocket, hub: Hub) -> None:
    await websocket.accept()
    async with hub.join("readings", websocket):
        async for _ in websocket.iter_text():
            pass  # who looks says nothing; the loop ends when the socket does
