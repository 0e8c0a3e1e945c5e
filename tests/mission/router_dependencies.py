"""Router-level dependencies, and websocket_route(), which has none."""

from wirefast import APIRouter, App, Depends, WebSocket

verified: list[str] = []


async def verify_auth(websocket: WebSocket):
    verified.append(websocket.url.path)


router = APIRouter(dependencies=[Depends(verify_auth)])


@router.websocket("/one")
async def one(websocket: WebSocket):
    await websocket.accept()
    await websocket.close()


@router.websocket("/two")
async def two(websocket: WebSocket):
    await websocket.accept()
    await websocket.close()


@router.websocket_route("/plain")
async def plain(websocket: WebSocket, value: int = Depends(verify_auth)):
    await websocket.accept()
    await websocket.send_text(type(value).__name__)
    await websocket.close()


app = App()
app.include_router(router)
