"""Call the exception handler that fits, by Starlette's rules, without a wrapper around every connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketState

from wirefast._core import scope as keys
from wirefast._core.close import POLICY_VIOLATION
from wirefast._core.foreign import is_async_callable
from wirefast._core.groups import caused_by_client, only_cause
from wirefast._core.whose import is_anothers, mark_of
from wirefast.exceptions import Refuse
from wirefast.metrics.catalogue import FAMILIES

_refusals = FAMILIES["wirefast_refusals_total"]

Handlers = tuple[dict[type[Exception], Callable[..., Any]], dict[int, Callable[..., Any]]]


def can_deny(scope: Scope) -> bool:
    """Whether the server can answer a handshake with an HTTP response (``websocket.http.response``, ASGI 3)."""
    return keys.DENIAL_RESPONSE in (scope.get("extensions") or {})


class DenialByClose:
    """Close a handshake with 1008 if a middleware answers with a response and the server has no extension for it.

    Such a server refuses the messages of the response, and the client gets no answer; for a close the server sends 403.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or can_deny(scope):
            await self.app(scope, receive, send)
            return

        async def close(message: Message) -> None:
            if message["type"] == "websocket.http.response.start":
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})

        def closing(message: Message) -> Awaitable[None]:
            return (close if message["type"].startswith("websocket.http.response.") else send)(message)

        await self.app(scope, receive, closing)


async def handle_exception(
    exc: Exception,
    connection: Any,
    handlers: Handlers,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    started: bool = False,
) -> None:
    """Give ``exc`` to the handler of its status or of the nearest class, and send the response of the handler.

    On a WebSocket a group of one kind of exception, as task groups raise, is handled as that exception. A handler of
    groups comes first.

    Args:
        exc: what the application raised.
        connection: the Request or WebSocket that the handler gets.
        handlers: those by exception class, and those by HTTP status.
        scope: the ASGI scope; receive and send: its callables.
        started: whether an HTTP response has begun, so that no other can be sent.

    Raises:
        Exception: ``exc`` if no handler fits (of a group of one kind its exception), or the handler's own exception.
        RuntimeError: a handler fits, but the response has begun.
    """
    handler = handler_for(exc, handlers)
    unhandled = handler is None or handler is handlers[0].get(Exception)
    # Over HTTP the server gets the group, as in FastAPI, whose own code relies on that.
    if unhandled and scope["type"] == "websocket" and hasattr(exc, "exceptions"):
        mark = mark_of(scope)

        def is_expected(leaf: BaseException) -> bool:
            if _is_handled(leaf, handlers):
                return True
            return caused_by_client(leaf) and not is_anothers(leaf, mark)

        exc = only_cause(exc, is_expected)
        handler = handler_for(exc, handlers)
    traceback = exc.__traceback__
    if handler is None:
        try:
            raise exc
        finally:
            # The traceback of the exception has this frame now: a cycle that would keep the connection until the
            # collector runs.
            del exc
    if isinstance(exc, Refuse) and scope["type"] == "websocket":
        _refusals.of(str(exc.status_code)).add()
    if started:
        raise RuntimeError("Caught handled exception, but response already started.") from exc
    try:
        raise exc
    except Exception:
        # Handlers log with logging.exception(), which looks for the exception being handled.
        exc.__traceback__ = traceback
        try:
            if is_async_callable(handler):
                response = await handler(connection, exc)
            else:
                response = await run_in_threadpool(handler, connection, exc)
            if response is not None:
                if scope["type"] == "websocket" and not can_deny(scope):
                    # Such a server understands only a close: 403 before the socket is accepted.
                    if connection.application_state is not WebSocketState.DISCONNECTED:
                        await connection.close(POLICY_VIOLATION)
                else:
                    await response(scope, receive, send)
        except BaseException:
            # The same cycle, where the exception that is raised now has this exception as its context.
            del exc
            raise
    # The traceback of this call holds its frame, and the frame holds the exception: another cycle.
    exc.__traceback__ = None


def handler_for(exc: BaseException, handlers: Handlers) -> Callable[..., Any] | None:
    by_class, by_status = handlers
    handler = by_status.get(exc.status_code) if isinstance(exc, HTTPException) else None
    if handler is None:
        handler = next((by_class[cls] for cls in type(exc).__mro__ if cls in by_class), None)
    return handler


def _is_handled(exc: BaseException, handlers: Handlers) -> bool:
    """Whether a handler fits that was not made for every exception."""
    handler = handler_for(exc, handlers)
    return handler is not None and handler is not handlers[0].get(Exception)
