"""The application of several server processes that share a broker: what is said in a room is heard in it everywhere."""

from __future__ import annotations

import os

from wirefast import App, WebSocket
from wirefast.rooms import Hub


async def tell_gap(room: str) -> None:
    for member in hub.members(room):
        member.try_send("gap")


hub = Hub(os.environ["BROKER_URL"], on_gap=tell_gap)
app = App(hub=hub)


@app.websocket("/{room}")
async def talk(websocket: WebSocket, room: str, hub: Hub) -> None:
    await websocket.accept()
    async with hub.join(room, websocket):
        await websocket.send_text("joined")
        async for text in websocket.iter_text():
            await hub.publish(room, text)
