"""Applications with limits, and what their clients see."""

import contextlib
from typing import Any

from wirefast import App, Limits, Rate, WebSocket
from wirefast.testing import ConnectionLost, Live

MANY = Rate(6, per=10_000.0)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


def echoing(limits: Limits | None, **options: Any) -> App:
    app = App(limits=limits, **options)
    app.websocket("/")(echo)
    return app


async def exchange(live: Live, texts: list[str | bytes], path: str = "/") -> tuple[int, Any]:
    """How many of the messages came back, and how the socket was closed; None where it was not."""
    async with live.connect(path) as peer:
        with contextlib.suppress(ConnectionLost):
            await peer.send_all(*texts, "last")
        await live.settle()
        return len(peer.unread) - ("last" in peer.unread), peer.closed
