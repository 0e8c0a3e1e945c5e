"""Turns an application's ASGI messages into the answers of our server, for test clients that have no server.

wirefast only.
"""

from __future__ import annotations

import json
from typing import Any

from wirefast._core.close import NORMAL, check_code, cut_reason
from wirefast._core.scope import EXTENSION
from wirefast._core.unicode import utf8
from wirefast.testing.exceptions import end_of
from wirefast.testing.requesting import Explained

__all__ = ["AsOnTheWire"]

FAILED = (500, b"text/plain; charset=utf-8", b"Internal Server Error")


class AsOnTheWire:
    """An application whose WebSockets begin and end as over our server. Everything else passes unchanged.

    Args:
        app: an ASGI application.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await _Socket(receive, send).run(self.app, scope)
        else:
            await self.app(scope, receive, send)


class _Socket:
    def __init__(self, receive: Any, send: Any) -> None:
        self.receive = receive
        self.pass_on = send
        self.state = "connecting"
        self.explained = Explained()

    async def run(self, app: Any, scope: Any) -> None:
        extensions = {**(scope.get("extensions") or {}), EXTENSION: self.explained}
        code, reason = NORMAL, ""
        self.scope = {**scope, "extensions": extensions}
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as exc:
            code, reason = end_of(exc)
            raise
        finally:
            if self.state == "connecting":
                await self.answer(*FAILED)
            elif self.state == "open":
                await self.pass_on({"type": "websocket.close", "code": code, "reason": reason})

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.state = "open"
        elif kind == "websocket.http.response.start":
            self.state = "refused"
        elif kind == "websocket.close":
            code, reason = message.get("code", NORMAL), message.get("reason") or ""
            if self.state == "connecting":
                status, said = self.explained.answer(code, reason, self.scope)
                await self.answer(status, b"application/json", utf8(json.dumps(said, ensure_ascii=False)))
                return
            check_code(code)
            self.state = "closed"
            message = {"type": "websocket.close", "code": code, "reason": cut_reason(reason).decode()}
        await self.pass_on(message)

    async def answer(self, status: int, kind: bytes, body: bytes) -> None:
        self.state = "refused"
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await self.pass_on({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self.pass_on({"type": "websocket.http.response.body", "body": body})
