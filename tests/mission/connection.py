"""The reference of the WebSocket class: its members, its states, and a dependency for both kinds of connection."""

from wirefast import App, Depends, WebSocket
from wirefast.requests import HTTPConnection
from wirefast.websockets import WebSocketDisconnect, WebSocketState

app = App()
disconnects: list[WebSocketDisconnect] = []


async def language(connection: HTTPConnection) -> str:
    return connection.headers.get("accept-language", "en")


@app.websocket("/members/{name}", name="members")
async def members(websocket: WebSocket, spoken: str = Depends(language)):
    before = websocket.client_state, websocket.application_state
    await websocket.accept(subprotocol="chat", headers=[(b"x-served-by", b"wirefast")])
    after = websocket.client_state, websocket.application_state
    await websocket.send_json(
        {
            "before": [state.name for state in before],
            "after": [state.name for state in after],
            "path_params": websocket.path_params,
            "query_params": dict(websocket.query_params),
            "cookies": websocket.cookies,
            "language": spoken,
            "url": websocket.url.path,
            "url_for": websocket.url_for("members", name="x").path,
            "has_client": websocket.client is not None,
        }
    )
    await websocket.send_json({"mode": "binary"}, mode="binary")
    await websocket.send_bytes(b"\x00\x01")
    await websocket.close(code=4000, reason="done")
    assert websocket.application_state is WebSocketState.DISCONNECTED


@app.websocket("/iterate/{kind}")
async def iterate(websocket: WebSocket, kind: str):
    await websocket.accept()
    async for message in getattr(websocket, f"iter_{kind}")():
        await websocket.send_json({"kind": kind, "message": message if kind != "bytes" else list(message)})


@app.websocket("/disconnect")
async def disconnect(websocket: WebSocket):
    await websocket.accept()
    try:
        await websocket.receive_bytes()
    except WebSocketDisconnect as error:
        disconnects.append(error)
