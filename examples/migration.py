"""A FastAPI application that moves over one router at a time: ``wirefast run examples/migration.py``; needs FastAPI.

The pages and one socket are FastAPI's as before. The busiest router has moved: its import changed, its code did not,
and the dependency that both share is still declared with FastAPI's own ``Depends``.
"""

from typing import Annotated

import fastapi

from wirefast import APIRouter, App, WebSocket


async def find_name(name: Annotated[str, fastapi.Query(min_length=2)] = "anonymous") -> str:
    return name.title()


app = fastapi.FastAPI()


@app.get("/hello")
async def hello(name: Annotated[str, fastapi.Depends(find_name)]) -> dict[str, str]:
    return {"hello": name}


@app.websocket("/before")
async def before(websocket: fastapi.WebSocket, name: Annotated[str, fastapi.Depends(find_name)]) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{name}: {text}")


router = APIRouter()


@router.websocket("/rooms/{room_id}")
async def room(websocket: WebSocket, room_id: int, name: Annotated[str, fastapi.Depends(find_name)]) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_json({"room": room_id, "name": name, "text": text})


moved = App()
moved.include_router(router)
app.mount("/live", moved)
