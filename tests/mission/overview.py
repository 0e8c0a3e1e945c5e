"""What the overview page says about injection, errors and clean-up, one endpoint for each statement."""

from typing import Annotated

from wirefast import App, Cookie, Depends, Header, Query, WebSocket, WebSocketException, status
from wirefast.exceptions import WebSocketRequestValidationError
from wirefast.security import APIKeyHeader, OAuth2PasswordBearer

app = App()
cleaned: list[str] = []


@app.websocket("/handshake")
async def from_the_handshake(
    websocket: WebSocket,
    session: Annotated[str, Cookie()],
    x_client: Annotated[str, Header()],
    limit: Annotated[int, Query(ge=1)] = 10,
):
    await websocket.accept()
    await websocket.send_json([session, x_client, limit])
    await websocket.close()


async def resource(websocket: WebSocket):
    yield "resource"
    cleaned.append(websocket.url.path)


@app.websocket("/cleanup/{name}")
async def cleanup(websocket: WebSocket, name: str, value: Annotated[str, Depends(resource)]):
    await websocket.accept()
    await websocket.send_text(f"{value} for {name}")
    await websocket.close()


@app.websocket("/oauth2")
async def oauth2(websocket: WebSocket, token: Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="token"))]):
    await websocket.accept()
    await websocket.send_text(token)
    await websocket.close()


@app.websocket("/api-key")
async def api_key(websocket: WebSocket, key: Annotated[str, Depends(APIKeyHeader(name="x-key"))]):
    await websocket.accept()
    await websocket.send_text(key)
    await websocket.close()


@app.websocket("/refused")
async def refused(websocket: WebSocket, after_accept: bool = False):
    if after_accept:
        await websocket.accept()
    raise WebSocketException(code=status.WS_1008_POLICY_VIOLATION, reason="not for you")


custom = App()


async def my_handler(websocket: WebSocket, error: WebSocketRequestValidationError):
    await websocket.accept()
    await websocket.close(4422, error.errors()[0]["msg"])


custom.add_exception_handler(WebSocketRequestValidationError, my_handler)


@custom.websocket("/{number}")
async def numbered(websocket: WebSocket, number: int):
    await websocket.accept()


app.mount("/custom", custom)
