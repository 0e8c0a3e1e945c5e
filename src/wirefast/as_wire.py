"""Turns an application's ASGI messages into the answers of our server, for test clients that have no server.

The module imports no server, so `wirefast.testclient` needs no extra but its own. wirefast only.
"""

from __future__ import annotations

import json
from typing import Any

from wirefast._core.close import INTERNAL_ERROR, NORMAL, check_code, cut_reason
from wirefast._core.scope import EXTENSION
from wirefast._core.unicode import utf8
from wirefast._core.unrouted import NO_ROUTE, missing_route

__all__ = ["AsOnTheWire", "Explained", "end_of", "is_clients"]

#: The exceptions of servers and frameworks that mean only that a peer is gone.
DISCONNECTS = {"WebSocketDisconnect", "ClientDisconnected", "ClientDisconnect"}
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


class Explained:
    """Our server's extension in ``scope["extensions"]``, without a wire: it takes the full reason of a refusal."""

    def __init__(self) -> None:
        self._refusal: dict[str, Any] = {}

    def configure(self, **options: Any) -> None:
        """Ignore the options of a route, because they concern the wire."""

    def explain_refusal(self, closing: str, reason: str, errors: list[Any]) -> None:
        """Set the body of a 403 in place of a close reason; see `wirefast.server.WebSocketProtocol`."""
        self._refusal = {"for": closing, "reason": reason, "errors": errors}

    def answer(self, code: int, reason: str, scope: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of the answer to a handshake that the application has closed."""
        if code == NORMAL and not reason and missing_route(scope) is not None:
            return 404, {"code": code, "reason": NO_ROUTE}
        if self._refusal.get("for") != reason:
            return 403, {"code": code, "reason": reason}
        return 403, {"code": code, "reason": self._refusal["reason"], "errors": self._refusal["errors"]}


def end_of(exc: BaseException) -> tuple[int, str]:
    """Return the code and the reason with which our server closes a socket whose handler has raised."""
    told: tuple[int, str] | None = getattr(exc, "wirefast_close", None)
    return told or (NORMAL if is_clients(exc) else INTERNAL_ERROR, "")


def is_clients(exc: BaseException) -> bool:
    """Whether an exception is no error of the application: the peer is gone, or sent data that cannot be accepted."""
    return hasattr(exc, "wirefast_close") or any(kind.__name__ in DISCONNECTS for kind in type(exc).__mro__)
