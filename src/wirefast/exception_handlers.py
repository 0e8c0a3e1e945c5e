"""What an application answers to an exception that no handler of the program took.

Three handlers under FastAPI's names are installed by default. ``App(explain_rejections=...)`` replaces the third by one
of two others, and adds one for `Refuse`. What a client sees of a refused handshake::

    close (default)     ASGI close 1008 before accept; servers answer HTTP 403, ours with the reason in the body
    explain_by_http     HTTP 422 with ``{"detail": [...]}``
    explain_by_close    accepted, then a close frame 1008: the only answer that a browser shows to its page

A socket that is accepted already gets a close frame in any case. Where the peer has left, or the application has closed
the socket, before the exception arrives here, nothing is sent and nothing is raised.
"""

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, overload

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from wirefast import exceptions
from wirefast._core import scope as keys
from wirefast._core.close import POLICY_VIOLATION, cut_reason
from wirefast._core.handlers import can_deny
from wirefast._core.json import dumps
from wirefast._core.jsonable import unchanged
from wirefast._core.unicode import utf8
from wirefast.encoders import jsonable_encoder
from wirefast.exceptions import Refuse, RequestValidationError, WebSocketRequestValidationError
from wirefast.utils import is_body_allowed_for_status_code

__all__ = [
    "close_for_http_exception",
    "explain_by_close",
    "explain_by_http",
    "http_exception_handler",
    "refuse_by_close",
    "request_validation_exception_handler",
    "websocket_request_validation_exception_handler",
    "with_either_class",
]

#: The characters of a subprotocol (RFC 9110, section 5.6.2); not every server checks the subprotocols of a client.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@overload
async def http_exception_handler(request: Request, exc: HTTPException) -> Response: ...
@overload
async def http_exception_handler(request: HTTPConnection, exc: HTTPException) -> Response | None: ...
async def http_exception_handler(request: HTTPConnection, exc: HTTPException) -> Response | None:
    """Answer with the status, the headers and ``{"detail": ...}``; no body if the status allows none.

    Before ``accept()`` the same response refuses the handshake. An open WebSocket is closed instead, by
    `close_for_http_exception`, and the result is ``None``. A server without the ``websocket.http.response`` extension
    answers a handshake with 403; the result is ``None`` there too.
    """
    if isinstance(request, WebSocket) and (
        request.application_state is not WebSocketState.CONNECTING or not can_deny(request.scope)
    ):
        await close_for_http_exception(request, exc)
        return None
    headers = _latin_1(getattr(exc, "headers", None))
    if not is_body_allowed_for_status_code(exc.status_code):
        return Response(status_code=exc.status_code, headers=headers)
    return _Answer({"detail": exc.detail}, status_code=exc.status_code, headers=headers)


def _latin_1(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Headers that Starlette can send: a value beyond Latin-1 is sent as UTF-8 (RFC 9110, section 5.5)."""
    if headers is None or all(map(str.isascii, headers.values())):
        return headers
    return {name: _as_latin_1(value) for name, value in headers.items()}


def _as_latin_1(value: str) -> str:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return utf8(value).decode("latin-1")
    return value


async def close_for_http_exception(websocket: WebSocket, exc: HTTPException) -> None:
    """Close a WebSocket with 1008, or the code of a `Refuse`, and the detail as the reason.

    The reason is cut to 123 bytes once the socket is accepted.

    A detail that is not a string is written as JSON. FastAPI sends an HTTP response here, which no server accepts.
    """
    detail: Any = exc.detail
    code = exc.code if isinstance(exc, Refuse) else POLICY_VIOLATION
    if not isinstance(detail, str):
        detail = _json(detail if unchanged(detail) else jsonable_encoder(detail))
    await _close(websocket, detail, code)


async def refuse_by_close(request: HTTPConnection, exc: Refuse) -> Response | None:
    """Accept a handshake, and close it with the code and the detail of the `Refuse`; a request gets a response."""
    if not isinstance(request, WebSocket):
        return await http_exception_handler(request, exc)
    await _accept(request)
    await close_for_http_exception(request, exc)
    return None


async def request_validation_exception_handler(request: Request, exc: RequestValidationError) -> JSONResponse:
    """Answer 422 with ``{"detail": [errors]}``."""
    return _unprocessable(exc)


async def websocket_request_validation_exception_handler(
    websocket: WebSocket, exc: WebSocketRequestValidationError
) -> None:
    """Close with 1008 and the errors as JSON text: a list of ``{"type", "loc", "msg"}``.

    The client's own input is left out. The text is cut to 123 bytes only if the socket was accepted: a refused
    handshake has no close frame. FastAPI gives the list itself as the reason, which servers cannot send.
    """
    errors = [public_error(error) for error in exc.errors()]
    reason = _json(errors)
    extensions = websocket.scope.get("extensions")
    if websocket.application_state is WebSocketState.CONNECTING:
        # wirefast's server answers with the list; other servers read only the close message.
        server = (extensions or {}).get(keys.EXTENSION)
        if server is not None:
            server.explain_refusal(reason, _sentence(errors), errors)
    await _close(websocket, reason)


async def explain_by_http(websocket: WebSocket, exc: WebSocketRequestValidationError) -> None:
    """Refuse the handshake with the 422 response that the same error gives over HTTP.

    Closes as usual when the socket was accepted or the server has no ``websocket.http.response`` extension.
    """
    if can_deny(websocket.scope) and websocket.application_state is WebSocketState.CONNECTING:
        await websocket.send_denial_response(_unprocessable(exc))
    else:
        await websocket_request_validation_exception_handler(websocket, exc)


async def explain_by_close(websocket: WebSocket, exc: WebSocketRequestValidationError) -> None:
    """Accept, if that has not happened, and close with 1008 and the errors, cut to 123 bytes.

    The first subprotocol of the client is chosen: a browser fails without a close code if the server chooses none.
    """
    await _accept(websocket)
    await websocket_request_validation_exception_handler(websocket, exc)


async def _accept(websocket: WebSocket) -> None:
    """Accept, if that has not happened, with the first subprotocol that is valid and no token of a client."""
    if websocket.application_state is WebSocketState.CONNECTING:
        offered = websocket.scope.get("subprotocols") or ()
        names = (name for name in offered if _TOKEN.fullmatch(name) and not name.startswith("bearer."))
        await websocket.accept(subprotocol=next(names, None))


def with_either_class(handlers: Mapping[Any, Any], defaults: Collection[Any]) -> dict[Any, Any]:
    """Return the handlers; a handler of one of our exceptions also takes FastAPI's of the same name, and the reverse.

    FastAPI's exceptions are raised by FastAPI's routes that wirefast serves, and by code that has not moved yet.

    Args:
        handlers: by exception class or HTTP status.
        defaults: the handlers that every application has; a handler of the program comes first.
    """
    found = dict(handlers)
    theirs_module = sys.modules.get("fastapi.exceptions")
    for name in _OF_EITHER if theirs_module is not None else ():
        ours, theirs = getattr(exceptions, name), getattr(theirs_module, name, None)
        given = found.get(ours)
        if theirs in found and (given is None or any(given is each for each in defaults)):
            found[ours] = found[theirs]
        elif given is not None and theirs is not None:
            found.setdefault(theirs, given)
    return found


_OF_EITHER = (
    "HTTPException",
    "WebSocketException",
    "ValidationException",
    "RequestValidationError",
    "WebSocketRequestValidationError",
    "ResponseValidationError",
    "FastAPIError",
)


def _unprocessable(exc: RequestValidationError | WebSocketRequestValidationError) -> JSONResponse:
    return _Answer({"detail": [_encoded(error) for error in exc.errors()]}, status_code=422)


class _Answer(JSONResponse):
    """JSON that can hold a lone surrogate or NaN of the client. The base class writes everything else."""

    def render(self, content: Any) -> bytes:
        try:
            return super().render(content)
        except (ValueError, RecursionError):
            return dumps(content)


def _encoded(error: Any) -> Any:
    """One error as plain values. Input that is JSON already stays unchanged, however deep."""
    if not isinstance(error, dict) or not unchanged(error.get("input")):
        return jsonable_encoder(error)
    return {
        key: value if key == "input" else jsonable_encoder(value)
        for key, value in error.items()
        if not (isinstance(key, str) and key.startswith("_sa"))
    }


async def _close(websocket: WebSocket, reason: str, code: int = POLICY_VIOLATION) -> None:
    """Close, unless the socket is closed or the peer is known to have left."""
    accepted = websocket.application_state is WebSocketState.CONNECTED
    if not accepted and websocket.application_state is not WebSocketState.CONNECTING:
        return
    if websocket.client_state is WebSocketState.DISCONNECTED:
        return
    encoded = cut_reason(reason) if accepted else utf8(reason)
    # The peer may leave while the frame is sent.
    with suppress(WebSocketDisconnect):
        await websocket.close(code=code, reason=encoded.decode("utf-8"))


def _json(value: Any) -> str:
    """Write what the client may have sent: of any depth, and with null for NaN."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return dumps(value).decode()


def _sentence(errors: list[Any]) -> str:
    """Return the errors in words: ``query.limit: Input should be a valid integer; header.x-token: Field required``."""
    parts = []
    for error in errors:
        if isinstance(error, Mapping):
            place = ".".join(str(part) for part in error.get("loc") or ())
            message = str(error.get("msg", "invalid"))
            parts.append(f"{place}: {message}" if place else message)
        else:
            parts.append(error if isinstance(error, str) else _json(error))
    return "; ".join(parts)


def public_error(error: Any) -> Any:
    """One error without what the client sent: no ``input``, no ``ctx``, no long piece of it in the rest."""
    if not isinstance(error, Mapping):
        return jsonable_encoder(error)
    public = {key: error[key] for key in ("type", "loc", "msg") if key in error}
    if isinstance(public.get("loc"), tuple | list):
        # The text can hold keys that the client chose, as in extra_forbidden.
        public["loc"] = [_shortened(part, 64) for part in public["loc"]]
    if isinstance(public.get("msg"), str):
        for sent in _sent(error):
            public["msg"] = public["msg"].replace(sent, "…")
        public["msg"] = _shortened(public["msg"], 256)
    return jsonable_encoder(public)


def _sent(error: Mapping[str, Any]) -> Iterator[str]:
    """Strings from the client that a message may quote: the input, and the tag of a union, without short words."""
    for value in (error.get("input"), (error.get("ctx") or {}).get("tag")):
        if isinstance(value, str) and len(value) >= 8:
            yield value


def _shortened(value: Any, limit: int) -> Any:
    return value if not isinstance(value, str) or len(value) <= limit else f"{value[: limit - 1]}…"
