"""Parameter-level dependencies: one that closes the socket itself."""

from wirefast import APIRouter, App, Depends, WebSocket

router = APIRouter()


async def get_cookie_or_token(websocket: WebSocket, session: str | None = None):
    if session is None:
        await websocket.close(code=1008)
    return session


@router.websocket("/items")
async def read_items(websocket: WebSocket, session: str = Depends(get_cookie_or_token)):
    await websocket.accept()
    await websocket.send_text(f"Session: {session}")
    await websocket.close()


app = App()
app.include_router(router)
