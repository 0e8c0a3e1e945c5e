"""Basic routing: the endpoint on a router, included in the application."""

from wirefast import APIRouter, App, WebSocket

router = APIRouter()


@router.websocket("/ws")
async def websocket_endpoint(websocket: WebSocket):
    await websocket.accept()
    while True:
        data = await websocket.receive_text()
        await websocket.send_text(f"Message text was: {data}")


app = App()
app.include_router(router)
