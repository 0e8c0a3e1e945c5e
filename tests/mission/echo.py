"""The echo endpoint of the overview page."""

from wirefast import App, WebSocket, WebSocketDisconnect

app = App()


@app.websocket("/ws")
async def ws_endpoint(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            data = await websocket.receive_text()
            await websocket.send_text(f"echo: {data}")
    except WebSocketDisconnect:
        pass
