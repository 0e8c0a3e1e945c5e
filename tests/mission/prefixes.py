"""Prefixes for larger applications: the router's own and the one it is included with."""

from wirefast import APIRouter, App, WebSocket

chat_router = APIRouter(prefix="/chat")


@chat_router.websocket("/room/{room_id}")
async def chat_room(websocket: WebSocket, room_id: str):
    await websocket.accept()
    await websocket.send_text(f"Welcome to room {room_id}")


app = App()
app.include_router(chat_router)
app.include_router(chat_router, prefix="/v2")
