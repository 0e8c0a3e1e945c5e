"""The errors of messages that clients get, and the end of a socket that its handlers get."""

from __future__ import annotations

import json
import logging
from typing import Any, Literal, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from wirefast._core import close
from wirefast._core.foreign import is_async_callable
from wirefast._core.groups import caused_by_client, only_cause
from wirefast._core.handlers import Handlers, handler_for
from wirefast._core.source_location import describe, for_readers
from wirefast._core.whose import is_anothers
from wirefast.exceptions import WebSocketException as _OwnWebSocketException

logger = logging.getLogger("wirefast.messages")

#: The error for an unexpected exception. The log has the traceback.
INTERNAL = {"code": "internal"}


class MessageError(Exception):
    """An error that answers the message that caused it; the socket stays open.

    The client gets ``{"type": "error", "code": ..., "message": ..., "data": ..., "ref": ...}`` without the parts that
    are not given. In ``on_connect`` the error refuses the socket (close code 1008), with the message as the reason.

    Args:
        code: a short word for programs.
        message: a sentence for people. Default: none.
        data: more for programs, with a JSON form. Default: none.
    """

    def __init__(self, code: str, message: str | None = None, *, data: Any = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.data = data


class InvalidMessage(_OwnWebSocketException, ValueError):
    """The client sent a message that is not valid here. Raised by ``receive_message``.

    A ``WebSocketException``: if no handler takes it, the socket is closed with 1008 and ``reason``, and the log has
        no traceback. Also a ``ValueError``, like the exceptions of ``receive_json``. ``__cause__`` is pydantic's
        ``ValidationError`` if there is one. Only the cause holds what the client sent.

    Attributes:
        reason: ``"malformed"`` (no JSON, or no object where an object is required), ``"unknown_type"`` (no tag, or a
            tag that no model has), or ``"invalid"``.
        errors: for an invalid message, at most 20 errors, each with type, place (``loc``) and text (``msg``); None
            otherwise.
        ref: the message's own ``ref`` as JSON; None for a message without one.
    """

    reason: Literal["malformed", "unknown_type", "invalid"]

    def __init__(
        self,
        reason: Literal["malformed", "unknown_type", "invalid"],
        ref: bytes | None = None,
        errors: list[Any] | None = None,
    ) -> None:
        super().__init__(code=close.POLICY_VIOLATION, reason=reason)
        self.errors = errors
        self.ref = ref

    def reply(self, tag: str = "type") -> dict[str, Any]:
        """Return the error, with the ``ref``, as routes of typed messages send it; for ``send_json``.

        Args:
            tag: the name of the member that holds ``"error"``. Default: ``"type"``.
        """
        told = {} if self.ref is None else {"ref": json.loads(self.ref)}
        told |= {tag: "error", "code": self.reason}
        return told if self.errors is None else {**told, "errors": self.errors}


class Disconnect(NamedTuple):
    """How a socket ended, for ``on_disconnect``.

    Attributes:
        code: the code of the close frame (RFC 6455, section 7.4): the peer's, or that of a ``WebSocketException`` or
            another close of ours; 1000 if a handler closed the socket, 1006 if the connection broke, 1011 after
            an error, 1001 if the server stops.
        reason: the text of the close frame; empty for none.
    """

    code: int
    reason: str


def end_of(failure: BaseException | None) -> tuple[int, str]:
    """Return the code and the reason of a socket that ended with this exception; None for the end without one."""
    if failure is None:
        return close.NORMAL, ""
    if isinstance(failure, (WebSocketDisconnect, WebSocketException)):
        return failure.code, failure.reason or ""
    return (close.INTERNAL_ERROR if isinstance(failure, Exception) else close.GOING_AWAY), ""


def refused_handshake(failure: BaseException) -> BaseException:
    """Return the exception of ``on_connect`` as one that refuses a socket."""
    if isinstance(failure, MessageError):
        return WebSocketException(code=close.POLICY_VIOLATION, reason=failure.message or failure.code)
    return failure


def log_failure(failure: BaseException, call: Any) -> None:
    logger.error("%s failed", describe(call), exc_info=for_readers(failure))


def log_unwritten(failure: BaseException) -> None:
    """Log that the data of a MessageError, or the detail of an HTTPException, has no JSON form."""
    logger.error("An answer to a message has no JSON form", exc_info=(type(failure), failure, failure.__traceback__))


def cause_of(exc: Exception, handlers: Handlers, mark: object) -> Exception:
    """Return the exception in the place of a task group's exception group; ``exc`` itself in every other case.

    Args:
        exc: what a handler, a dependency or a validator raised.
        handlers: those of the application; a handler for groups comes first.
        mark: the mark of the connection; the disconnect of another connection is an error.
    """
    if not hasattr(exc, "exceptions") or handler_for(exc, handlers) is not None:
        return exc

    def is_expected(leaf: BaseException) -> bool:
        if isinstance(leaf, MessageError | WebSocketException) or handler_for(leaf, handlers) is not None:
            return True
        return caused_by_client(leaf) and not is_anothers(leaf, mark)

    found: Exception = only_cause(exc, is_expected)
    return found


async def answer_of(
    exc: Exception, websocket: Any, handlers: Handlers, defaults: frozenset[Any], call: Any
) -> dict[str, Any] | None:
    """Return the error that a client gets for an exception; None if an exception handler has handled it.

    Args:
        exc: what a handler, a dependency or a validator raised.
        websocket: for exception handlers.
        handlers: those of the application, by class and by HTTP status; the handler of the nearest class is called.
        defaults: the handlers that every application has, which are not called.
        call: the message handler, for the log; None if the exception came before the message had one.
    """
    handler = handler_for(exc, handlers)
    if handler is not None and handler not in defaults:
        try:
            raise exc
        except Exception:
            try:
                if is_async_callable(handler):
                    response = await handler(websocket, exc)
                else:
                    response = await run_in_threadpool(handler, websocket, exc)
                return _of_response(response)
            except (WebSocketException, WebSocketDisconnect):
                raise
            except MessageError as raised:
                return _told(raised)
            except Exception as raised:
                log_failure(raised, handler)
                return INTERNAL
        finally:
            # The traceback of the exception has this frame now: a cycle that would keep the connection until the
            # collector runs.
            exc.__traceback__ = None
    if isinstance(exc, MessageError):
        return _told(exc)
    if isinstance(exc, HTTPException):
        return {"code": "http", "status": exc.status_code, "detail": exc.detail}
    who = "reading a message" if call is None else describe(call)
    logger.error("A message handler failed: %s, path %r", who, websocket.scope["path"], exc_info=for_readers(exc))
    exc.__traceback__ = None
    return INTERNAL


def _told(exc: MessageError) -> dict[str, Any]:
    error: dict[str, Any] = {"code": exc.code}
    if exc.message is not None:
        error["message"] = exc.message
    if exc.data is not None:
        error["data"] = exc.data
    return error


def _of_response(response: Any) -> dict[str, Any] | None:
    """Return the result of an exception handler; for HTTP the result is a response."""
    if response is None:
        return None
    body = getattr(response, "body", None) if isinstance(response, Response) else None
    if body is None:
        raise TypeError(
            f"an exception handler returned {type(response).__name__}; for messages it returns a Response with a body, "
            "or None"
        )
    body = bytes(body).decode(errors="replace")
    try:
        detail = json.loads(body)
    except ValueError:
        detail = body
    if isinstance(detail, dict) and detail.keys() == {"detail"}:
        detail = detail["detail"]
    return {"code": "http", "status": response.status_code, "detail": detail}
