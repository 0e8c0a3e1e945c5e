"""A bearer token on a WebSocket, from each place where clients can put it. wirefast only.

A page cannot set the headers of a handshake, but it can set the subprotocols and send a first message.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal
from weakref import ref

import anyio
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from wirefast._core import json
from wirefast._core.close import NO_CODE, UNAUTHORIZED
from wirefast.exceptions import Refuse
from wirefast.openapi.models import HTTPBearer as HTTPBearerModel
from wirefast.security.base import SecurityBase
from wirefast.security.utils import get_authorization_scheme_param

__all__ = ["MAX_AUTH_MESSAGE", "MAX_TOKEN", "PREFIX", "Source", "WebSocketBearer"]

Source = Literal["header", "subprotocol", "cookie", "message", "query"]

#: The prefix of a subprotocol with a token: ``bearer.`` and the token in base64url without padding.
PREFIX = "bearer."
#: The most characters of a token; a longer text is no token.
MAX_TOKEN = 8192
#: The most characters or bytes of the first message; a longer message is no authentication.
MAX_AUTH_MESSAGE = 16384

_SOURCES = ("header", "subprotocol", "cookie", "message", "query")
_ENCODED = re.compile(r"[A-Za-z0-9_-]+")
# The characters of a token: every printable character (RFC 6750 allows fewer).
_TOKEN = re.compile(r"[!-~]+")


class WebSocketBearer(SecurityBase):
    """A bearer token (RFC 6750) of a socket or of a request; the result is the token as text, which is not checked.

    Args:
        sources: the places of a token, in order; the first token that is found counts. ``"header"``: ``Authorization:
            Bearer ...``. ``"subprotocol"``: one of the offered subprotocols is ``bearer.`` and the token in base64url;
            it is never answered, and ``accept()`` answers the first other one. ``"cookie"``: see ``cookie``.
            ``"message"``: the socket is accepted, and its first message is ``{"type": "auth", "token": "..."}``; the
            endpoint's ``accept()`` then does nothing. ``"query"``: see ``query``; a token there gets into the logs of
            proxies. Default: header and subprotocol.
        cookie: name of the cookie. Default: ``token``. Browsers send cookies from any page: see ``App(origins=)``.
        query: name of the query parameter. Default: ``token``.
        first_message: seconds within which the message has to come. Default: 10.
        subprotocols: those that the application speaks, the preferred one first. Default: the first that the client
            offers.
        bearerFormat: kind of token, for documentation.
        scheme_name: name in documentation; the name of the class by default.
        description: for documentation. Default: the sources.
        auto_error: refuse with 401, on an accepted socket with 4401, when there is no token (default), or result in
            ``None``. A first message that is no authentication is then the endpoint's to receive.

    Raises:
        ValueError: no sources, an unknown one, or seconds that are not positive.
    """

    model: HTTPBearerModel

    def __init__(
        self,
        *,
        sources: Sequence[Source] = ("header", "subprotocol"),
        cookie: str = "token",
        query: str = "token",
        first_message: float = 10.0,
        subprotocols: Sequence[str] = (),
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        if isinstance(sources, str) or not sources or not set(sources) <= set(_SOURCES):
            raise ValueError(f"sources takes some of {', '.join(map(repr, _SOURCES))}, not {sources!r}")
        if not first_message > 0:
            raise ValueError(f"first_message takes a positive number of seconds, not {first_message!r}")
        self.sources = tuple(sources)
        self.cookie = cookie
        self.query = query
        self.first_message = first_message
        self.subprotocols = tuple(subprotocols)
        self.is_ambient = "cookie" in self.sources
        if description is None:
            description = f"A token, looked for in this order: {', '.join(map(self._describe, self.sources))}."
        self._set_up(HTTPBearerModel(bearerFormat=bearerFormat, description=description), scheme_name, auto_error)

    def _describe(self, source: Source) -> str:
        return {
            "header": "`Authorization: Bearer ...`",
            "subprotocol": "the WebSocket subprotocol `bearer.<base64url>`",
            "cookie": f"the cookie `{self.cookie}`",
            "message": 'the first message `{"type": "auth", "token": "..."}`',
            "query": f"the query parameter `{self.query}`",
        }[source]

    def make_not_authenticated_error(self) -> Refuse:
        """Return the refusal: 401 or 4401, "Not authenticated". Override to refuse in another way."""
        return Refuse(401, "Not authenticated", code=UNAUTHORIZED, headers={"WWW-Authenticate": self._challenge})

    async def __call__(self, connection: HTTPConnection) -> str | None:
        websocket = connection if isinstance(connection, WebSocket) else None
        offered = None if websocket is None else self._take_subprotocols(websocket)
        for source in self.sources:
            token: str | None = None
            if source == "header":
                token = _of_header(connection)
            elif source == "subprotocol":
                token = offered
            elif source == "cookie":
                token = connection.cookies.get(self.cookie)
            elif source == "query":
                token = connection.query_params.get(self.query)
            elif websocket is not None:
                token = await self._of_message(websocket)
            if token and len(token) <= MAX_TOKEN and _TOKEN.fullmatch(token):
                return token
        self._refuse_if_required()
        return None

    # ---- The subprotocol ----

    def _take_subprotocols(self, websocket: WebSocket) -> str | None:
        """Remove the tokens from the offered subprotocols, return the token, and choose the answered subprotocol."""
        offered = websocket.scope.get("subprotocols") or []
        tokens = [name for name in offered if name.startswith(PREFIX)]
        if tokens:
            names = [name for name in offered if not name.startswith(PREFIX)]
            websocket.scope["subprotocols"] = names
            _replace_accept(websocket, self._chosen(names))
        return _decoded(tokens[0]) if len(tokens) == 1 else None

    def _chosen(self, offered: Sequence[str]) -> str | None:
        if self.subprotocols:
            return next((name for name in self.subprotocols if name in offered), None)
        return next(iter(offered), None)

    # ---- The first message ----

    async def _of_message(self, websocket: WebSocket) -> str | None:
        names = websocket.scope.get("subprotocols") or []
        await websocket.accept(subprotocol=self._chosen(names))
        _replace_accept(websocket, None, accepted=True)
        message: Any = None
        with anyio.move_on_after(self.first_message):
            message = await websocket.receive()
        if message is None:
            if self.auto_error:
                raise Refuse(401, f"no token within {self.first_message:g} seconds", code=UNAUTHORIZED)
            return None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NO_CODE), message.get("reason"))
        token = _of_payload(message)
        if token is None and not self.auto_error:
            _push_back(websocket, message)
        return token


def _of_header(connection: HTTPConnection) -> str | None:
    scheme, token = get_authorization_scheme_param(connection.headers.get("Authorization"))
    return token if scheme.lower() == "bearer" else None


def _decoded(subprotocol: str) -> str | None:
    encoded = subprotocol.removeprefix(PREFIX)
    if len(encoded) > MAX_TOKEN * 2 or not _ENCODED.fullmatch(encoded):
        return None
    try:
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None


def _of_payload(message: Any) -> str | None:
    payload = message.get("text")
    if payload is None:
        payload = message.get("bytes") or b""
    if len(payload) > MAX_AUTH_MESSAGE:
        return None
    try:
        found = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("type") != "auth" or not isinstance(found.get("token"), str):
        return None
    token: str = found["token"]
    return token


def _replace_accept(websocket: WebSocket, chosen: str | None, accepted: bool = False) -> None:
    """Replace a socket's ``accept()`` once: by one that chooses the subprotocol, or by one that does nothing."""
    # A weak reference: a cycle with the socket would wait for the garbage collector.
    reference = ref(websocket)
    of_class: Callable[..., Awaitable[None]] = type(websocket).accept

    async def accept(subprotocol: str | None = None, headers: Any = None) -> None:
        websocket = reference()
        if websocket is None:
            raise AssertionError
        vars(websocket).pop("accept", None)
        if not accepted:
            if subprotocol is None or subprotocol.startswith(PREFIX):
                subprotocol = chosen
            await of_class(websocket, subprotocol, headers)

    vars(websocket)["accept"] = accept


def _push_back(websocket: WebSocket, message: Any) -> None:
    """Let the socket receive a message again, before all other messages."""
    receive = websocket._receive
    reference = ref(websocket)

    async def again() -> Any:
        websocket = reference()
        if websocket is None:
            raise AssertionError
        websocket._receive = receive
        return message

    websocket._receive = again
