"""A chat on one page: ``wirefast run examples/chat.py``, then open the address it prints in two browser windows."""

from pathlib import Path

from wirefast import App, WebSocket, status
from wirefast.responses import HTMLResponse
from wirefast.rooms import Hub
from wirefast.websockets import UnexpectedFrame

PAGE = Path(__file__).with_name("chat.html").read_text(encoding="utf-8")
ROOM = "chat"

# A member that vanishes leaves by itself, one that does not read is closed; neither delays the others.
app = App(hub=Hub())


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.websocket("/ws/{client_id}")
async def chat(websocket: WebSocket, client_id: int, hub: Hub) -> None:
    await websocket.accept()
    try:
        async with hub.join(ROOM, websocket):
            async for text in websocket.iter_text():
                await websocket.send_text(f"You wrote: {text}")
                await hub.publish(ROOM, f"Client #{client_id} says: {text}")
    except UnexpectedFrame:  # bytes, which no page of ours sends
        await websocket.close(status.WS_1003_UNSUPPORTED_DATA, "text only")
    finally:
        await hub.publish(ROOM, f"Client #{client_id} left the chat")
