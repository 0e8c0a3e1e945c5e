"""The chat of chat.py over several processes, joined by Redis: ``wirefast run examples/chat_redis.py --workers 2``.

It needs ``pip install 'wirefast[server,redis]'`` and a Redis on this machine, or the URL of one, or of a NATS, in
the environment: ``CHAT_BROKER=nats://localhost:4222``. Without a broker it does not start.
"""

import os
from pathlib import Path

from wirefast import App, WebSocket, status
from wirefast.responses import HTMLResponse
from wirefast.rooms import Hub
from wirefast.websockets import UnexpectedFrame

PAGE = Path(__file__).with_name("chat.html").read_text(encoding="utf-8")
ROOM = "chat"


async def tell_gap(room: str) -> None:
    """The broker was away: what was said in other processes meanwhile is lost. A page with a history would fetch it."""
    for member in hub.members(room):
        member.try_send("Some messages may be missing here.")


hub = Hub(os.environ.get("CHAT_BROKER", "redis://localhost:6379/0"), on_gap=tell_gap)
app = App(hub=hub)


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.websocket("/ws/{client_id}")
async def chat(websocket: WebSocket, client_id: int) -> None:
    await websocket.accept()
    try:
        async with hub.join(ROOM, websocket):
            await websocket.send_text(f"You are with process {os.getpid()}.")
            async for text in websocket.iter_text():
                await hub.publish(ROOM, f"Client #{client_id} says: {text}")
    except UnexpectedFrame:  # bytes, which no page of ours sends
        await websocket.close(status.WS_1003_UNSUPPORTED_DATA, "text only")
    finally:
        await hub.publish(ROOM, f"Client #{client_id} left the chat")
