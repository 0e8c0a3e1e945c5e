"""Connections over hand-made scopes, and the comparison of two callables over the same one."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import Message
from starlette.websockets import WebSocket


async def _silent_receive() -> Message:
    raise AssertionError("a security scheme read a message")


async def _silent_send(message: Message) -> None:
    raise AssertionError("a security scheme sent a message")


def connection(kind: str, headers: dict[str, str] | None = None, query: str = "") -> HTTPConnection:
    """An ``http`` request, a ``websocket``, or a bare ``HTTPConnection`` over a WebSocket's scope (``"bare"``)."""
    scope: dict[str, Any] = {
        "type": "http" if kind == "http" else "websocket",
        "path": "/",
        "query_string": query.encode("latin-1"),
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in (headers or {}).items()],
    }
    if kind == "http":
        return Request({**scope, "method": "GET"}, _silent_receive)
    return WebSocket(scope, _silent_receive, _silent_send) if kind == "websocket" else HTTPConnection(scope)


async def outcome(scheme: Any, request: HTTPConnection) -> tuple[Any, ...]:
    """What a scheme made of a connection: a value, or the refusal."""
    try:
        result = await scheme(request)
    except HTTPException as exc:
        return "refused", exc.status_code, exc.detail, exc.headers
    if hasattr(result, "model_dump"):
        return "credentials", type(result).__name__, result.model_dump()
    return "value", result
