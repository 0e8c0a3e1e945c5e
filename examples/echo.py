"""The three kinds of message, each sent back as it came: ``wirefast run examples/echo.py``."""

from wirefast import App, WebSocket, WebSocketDisconnect

app = App()


@app.websocket("/text")
async def text(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(message)


@app.websocket("/bytes")
async def binary(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_bytes():
        await websocket.send_bytes(message)


@app.websocket("/json")
async def json(websocket: WebSocket) -> None:
    """JSON in text frames, or in binary ones for a client that connects to ``/json?mode=binary``."""
    await websocket.accept()
    mode = websocket.query_params.get("mode", "text")
    try:
        while True:
            await websocket.send_json(await websocket.receive_json(mode=mode), mode=mode)
    except WebSocketDisconnect:
        pass
