"""ASGI applications for the tests."""

from __future__ import annotations

import asyncio
from typing import Any


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Every message back as it came."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """Accepts and never receives."""
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def plain_http(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    body = f"{scope['method']} {scope['path']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def echo_and_http(scope: Any, receive: Any, send: Any) -> None:
    await (echo if scope["type"] == "websocket" else plain_http)(scope, receive, send)


def recorded(script: Any = None) -> Any:
    """An application that keeps its events: ``app.events``; it accepts, then receives until the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] != "lifespan"  # it has none
        app.scopes.append(scope)  # type: ignore[attr-defined]
        await receive()
        await send({"type": "websocket.accept"})
        if app.script is not None:  # type: ignore[attr-defined]
            await app.script(receive, send)  # type: ignore[attr-defined]
        while True:
            message = await receive()
            app.events.append(message)  # type: ignore[attr-defined]
            if message["type"] == "websocket.disconnect":
                return

    app.events = []  # type: ignore[attr-defined]
    app.scopes = []  # type: ignore[attr-defined]
    app.script = script  # type: ignore[attr-defined]
    return app


class Wrapping:
    """A middleware that hides the server's own callables, and hands on copies of the scope and of its extensions."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def wrapped_receive() -> Any:
            return await receive()

        async def wrapped_send(message: Any) -> None:
            await send(message)

        copied = {**scope, "extensions": dict(scope["extensions"])} if scope["type"] == "websocket" else scope
        await self.app(copied, wrapped_receive, wrapped_send)
