"""A chat on one page: ``wirefast run examples/chat.py``, then open the address it prints in two browser windows."""

import asyncio
from pathlib import Path

from wirefast import App, WebSocket, WebSocketDisconnect, status
from wirefast.responses import HTMLResponse
from wirefast.websockets import UnexpectedFrame

PAGE = Path(__file__).with_name("chat.html").read_text(encoding="utf-8")
PATIENCE = 5.0  # seconds that one member may keep the others waiting


class ConnectionManager:
    """The members of the chat, and the ways to speak to them.

    A member may vanish at any moment, also while a message is on its way to the others. So sending never raises:
    whoever cannot be reached is no member any more.
    """

    def __init__(self) -> None:
        self.members: set[WebSocket] = set()

    async def connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.members.add(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        self.members.discard(websocket)

    async def send(self, message: str, websocket: WebSocket) -> None:
        try:
            await asyncio.wait_for(websocket.send_text(message), PATIENCE)
        except (WebSocketDisconnect, RuntimeError, asyncio.TimeoutError):
            self.disconnect(websocket)

    async def broadcast(self, message: str) -> None:
        # All at once, from a list made before the first await: a slow member delays no other, and members come and go.
        await asyncio.gather(*[self.send(message, member) for member in self.members])


app = App()
manager = ConnectionManager()


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.websocket("/ws/{client_id}")
async def chat(websocket: WebSocket, client_id: int) -> None:
    await manager.connect(websocket)
    try:
        while websocket in manager.members:
            text = await websocket.receive_text()
            await manager.send(f"You wrote: {text}", websocket)
            await manager.broadcast(f"Client #{client_id} says: {text}")
    except WebSocketDisconnect:
        pass
    except UnexpectedFrame:  # bytes, which no page of ours sends
        await websocket.close(status.WS_1003_UNSUPPORTED_DATA, "text only")
    finally:
        manager.disconnect(websocket)
        await manager.broadcast(f"Client #{client_id} left the chat")
