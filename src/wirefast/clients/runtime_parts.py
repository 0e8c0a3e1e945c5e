"""The parts of the Python client that its socket uses: models, errors, options, and the forms on the wire."""

# region imports
from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict
from websockets.exceptions import InvalidStatus

# endregion
# region models


class Model(BaseModel):
    """A message, or a part of one. A member with only one possible value need not be given."""

    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    def model_post_init(self, context: Any) -> None:
        # Members that are not set are not sent, so the server's defaults apply. Tags are always sent.
        for name, field in type(self).model_fields.items():
            if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
                self.model_fields_set.add(name)


# endregion


# region parts

Sent = TypeVar("Sent")
Heard = TypeVar("Heard")
State = Literal["connecting", "open", "waiting", "closed"]
TokenPlace = Literal["header", "subprotocol", "message"]
Outcome = Literal["sent", "queued", "dropped"]


class StateChange(NamedTuple):
    """The state of a socket: ``waiting`` is before the next attempt, ``closed`` is the end.

    Attributes:
        state: the state.
        code: the close code (RFC 6455, section 7.4) after the end of a connection; 1006 without a close frame.
        reason: the close reason.
        delay: seconds until the next attempt, while ``waiting``.
    """

    state: State
    code: int | None = None
    reason: str = ""
    delay: float = 0.0


class Dropped(NamedTuple):
    """A message that was not sent, or one that the application did not get.

    Attributes:
        message: the message.
        why: ``queue full`` and ``closed``: the message was not sent. ``unread``: an iterator had too many unread
            messages, and this was the oldest. ``unknown``: the message is of no declared type.
    """

    message: Any
    why: Literal["queue full", "closed", "unread", "unknown"]


class ReplyError(Exception):
    """The server's answer to a request was an error.

    Attributes:
        reply: the error as the server sent it.
        code: the error's code.
    """

    def __init__(self, reply: dict[str, Any]) -> None:
        self.reply = reply
        self.code = str(reply.get("code", ""))
        problems = "; ".join(
            f"{'.'.join(map(str, item.get('loc', ())))}: {item.get('msg', '')}" for item in reply.get("errors") or ()
        )
        super().__init__(reply.get("message") or problems or self.code)


class ConnectionLost(Exception):
    """The connection was lost, or closed permanently, before the answer.

    Attributes:
        code: the close code; 1006 without a close frame.
        reason: the close reason.
    """

    def __init__(self, message: str, code: int | None = None, reason: str = "") -> None:
        end = "" if code is None else f" ({code}: {reason})" if reason else f" ({code})"
        super().__init__(message + end)
        self.code = 1006 if code is None else code
        self.reason = reason


class Options(TypedDict, total=False):
    """The options of ``connect()``, besides the parameters of a socket.

    Attributes:
        token: a token, or a function that returns a fresh token before each connection.
        token_in: the place of the token. Default: the place that the server declares.
        headers: headers of the handshake.
        protocols: subprotocols that are offered (RFC 6455, section 1.9).
        queue: the most messages that wait while there is no connection. More are dropped. Default: 100.
        timeout: seconds that a request waits for its answer. Default: 10.
        retry_base, retry_max: seconds. Before attempt n the socket waits a random time up to ``base * 2 ** n``, at most
            ``max``. Default: 0.25 and 30.
        attempts: after so many failed attempts in a row the socket is closed. Default: no limit.
        stable: after a connection that was open for so many seconds, n begins at 0 again. Default: 5.
        open_timeout: seconds that one attempt may take. Default: 10.
        reconnect: a function that says whether to connect again after a close: True, False, or seconds to wait; None
            for the default.
    """

    token: str | Callable[[], str | Awaitable[str]]
    token_in: TokenPlace
    headers: Mapping[str, str]
    protocols: Sequence[str]
    queue: int
    timeout: float
    retry_base: float
    retry_max: float
    attempts: int
    stable: float
    open_timeout: float
    reconnect: Callable[[int, str], bool | float | None]


class ChannelSpec(NamedTuple):
    """The declaration of one socket.

    Attributes:
        address: the path, with parameters in braces.
        tag: the member that names the type of a message; empty for none.
        hears: a union of the types that the server sends.
        token: the place of a token. Another word than those of `TokenPlace` is a parameter of the query.
        text: whether the server's text frames are plain text and no JSON.
        slashes: parameters that may have slashes.
    """

    address: str
    tag: str
    hears: Any
    token: str = "header"
    text: bool = False
    slashes: tuple[str, ...] = ()


class Waiting(NamedTuple):
    data: str | bytes
    message: Any
    ref: int | None


class Pending(NamedTuple):
    future: asyncio.Future[Any]
    sent: list[bool]


#: After these close codes the client never connects again, or does so later. After 4401 it gets a fresh token.
NEVER = frozenset({1000, 1002, 1003, 1007, 1008, 1009, 1010})
LATER = frozenset({4408, 4425, 4429})
#: The most unread messages that an iterator keeps.
UNREAD = 1000
#: After so many refused tokens in a row the client asks for no other token.
REFUSALS = 3


class Reader:
    """The messages that an ``async for`` has not read yet."""

    def __init__(self, dropped: Callable[[Any], None]) -> None:
        self._over = False
        self._dropped = dropped
        self._unread: deque[Any] = deque()
        self._error: Exception | None = None
        self._arrived = asyncio.Event()

    def push(self, message: Any) -> None:
        if len(self._unread) >= UNREAD:
            self._dropped(self._unread.popleft())
        self._unread.append(message)
        self._arrived.set()

    def finish(self, error: Exception | None) -> None:
        self._over = True
        self._error = error
        self._arrived.set()

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> Any:
        while not self._unread:
            if self._over:
                error, self._error = self._error, None  # the error is raised once
                if error is not None:
                    raise error
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._unread.popleft()


def encoded(message: Any, ref: int | None = None) -> str | bytes:
    """Return the payload of a message: bytes and strings unchanged, other values as JSON."""
    if isinstance(message, (bytes, str)):
        if ref is not None:
            raise TypeError("only messages that are objects can be requests")
        return message
    value = (
        message.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if isinstance(message, BaseModel)
        else message
    )
    if ref is not None:
        if not isinstance(value, dict):
            raise TypeError("only messages that are objects can be requests")
        value = {**value, "ref": ref}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def address_of(spec: ChannelSpec, url: str, params: Mapping[str, Any], query: Mapping[str, Any]) -> str:
    """Return the whole address of a socket."""
    parts = urlsplit(url)
    path = spec.address
    for name, value in params.items():
        path = path.replace("{" + name + "}", quote(_text(value), safe="/" if name in spec.slashes else ""))
    given = [(name, value) for name, value in query.items() if value is not None]
    text = urlencode(
        [
            (name, _text(item))
            for name, value in given
            for item in (value if isinstance(value, (list, tuple)) else [value])
        ]
    )
    scheme = parts.scheme.replace("http", "ws")
    return urlunsplit(
        (scheme, parts.netloc, parts.path.rstrip("/") + path, "&".join(filter(None, [parts.query, text])), "")
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_status(exc: InvalidStatus) -> tuple[int, str, float | None]:
    """Return a refused handshake as a close: a close code for the status, a reason, and the seconds to wait."""
    status, body = exc.response.status_code, exc.response.body or b""
    reason = f"HTTP {status} {bytes(body).decode(errors='replace')[:500]}".strip()
    after = exc.response.headers.get("Retry-After", "")
    hint = float(after) if re.fullmatch(r"\d{1,9}", after) else None
    if status in (408, 425, 429) or status >= 500:
        return 1013, reason, hint
    return (4000 + status if 400 <= status < 500 else 1002), reason, None


# endregion
