"""Who is there, and what belongs to the connection, said by dependencies: ``wirefast run examples/dependencies.py``.

The endpoints hold no line about tokens: a connection without a good one never reaches them.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from wirefast import App, Cookie, Depends, Header, Query, WebSocket, WebSocketDisconnect, WebSocketException, status
from wirefast.security import HTTPAuthorizationCredentials, HTTPBearer

USERS = {"rosebud": "Ada", "open-sesame": "Grace"}


async def find_token(
    token: Annotated[str | None, Query()] = None,
    session: Annotated[str | None, Cookie()] = None,
    x_token: Annotated[str | None, Header()] = None,
) -> str:
    """The token, wherever this client can put it: browsers have no headers of their own here, programs no cookies."""
    found = token or session or x_token
    if found is None:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "a token is needed")
    return found


async def find_user(token: Annotated[str, Depends(find_token)]) -> str:
    if token not in USERS:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "unknown token")
    return USERS[token]


class Notes:
    """What one user wrote during one connection; it stands for a database session."""

    saved: dict[str, list[str]] = {}

    def __init__(self, user: str) -> None:
        self.user = user
        self.lines: list[str] = []

    def save(self) -> None:
        self.saved.setdefault(self.user, []).extend(self.lines)


async def open_notes(user: Annotated[str, Depends(find_user)]) -> AsyncIterator[Notes]:
    """Opened before the endpoint, saved after it, however it ended."""
    notes = Notes(user)
    try:
        yield notes
    finally:
        notes.save()


app = App()


@app.websocket("/notes")
async def take_notes(
    websocket: WebSocket,
    user: Annotated[str, Depends(find_user)],  # the same call as in open_notes, made once per connection
    notes: Annotated[Notes, Depends(open_notes)],
    greeting: Annotated[str, Query(max_length=20)] = "Hello",
) -> None:
    await websocket.accept()
    await websocket.send_text(f"{greeting}, {user}")
    async for line in websocket.iter_text():
        notes.lines.append(line)
        await websocket.send_text(f"{len(notes.lines)}: {line}")


bearer = HTTPBearer()


@app.websocket("/private")
async def private(websocket: WebSocket, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> None:
    """A security scheme, for clients that send ``Authorization: Bearer ...``."""
    user = await find_user(credentials.credentials)
    await websocket.accept()
    try:
        while True:
            await websocket.send_json({"user": user, "heard": await websocket.receive_json()})
    except WebSocketDisconnect:
        pass
