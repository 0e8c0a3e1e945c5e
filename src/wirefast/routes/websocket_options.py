"""The options of one WebSocket route that FastAPI does not have, in one place.

A new option is a field of `WebSocketOptions` and of `CommonOptions`. An option for the server is also in `_OF_SERVER`,
and `configure()` of server/opening.pyx applies it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, TypeVar, cast

from typing_extensions import TypedDict

from wirefast.limits.limits import Limits
from wirefast.limits.origins import Origins
from wirefast.routes.description import Tags

__all__ = ["CommonOptions", "SocketOptions", "WebSocketOptions", "shows_socket_options"]

_F = TypeVar("_F", bound=Callable[..., Any])
#: The most seconds; a timer of so many does not overflow.
_LONGEST = 10**9
#: The options that the server applies. wirefast applies the others on any server.
_OF_SERVER = ("per_message_deflate", "max_size", "send_timeout")


class CommonOptions(TypedDict, total=False):
    """The keywords of methods that declare WebSocket routes of any kind; see `WebSocketOptions`."""

    per_message_deflate: bool | None
    max_size: int | None
    send_timeout: float | None
    origins: Origins | None
    warn_long_lived: bool | None
    limits: Limits | None
    tags: Tags | None
    summary: str | None
    description: str | None
    operation_id: str | None
    deprecated: bool | None
    include_in_schema: bool | None


class SocketOptions(CommonOptions, total=False):
    """The options of ``websocket()``, which also declares the types of its messages; see `WebSocketOptions`."""

    receives: Any
    sends: Any


@dataclass(frozen=True)
class WebSocketOptions:
    """The options of one route.

    A server with the ASGI extension ``wirefast``, such as ours, applies ``per_message_deflate``, ``max_size`` and
    ``send_timeout``. wirefast applies the others, on any server.

    Args:
        per_message_deflate: whether messages are compressed (RFC 7692) if the client offers it. Default: as the
            server is set.
        max_size: bytes of a message from the client; a larger one closes the socket with 1009. Only a bound below
            ``--ws-max-size`` counts. Default: that of the server.
        send_timeout: seconds that a send may wait for the peer to read; a longer wait ends the connection with 1013.
            Default: no limit.
        origins: the web pages that may connect; see ``App``. Default: as the router is set. On every server.
        warn_long_lived: whether the log names, once, each dependency with ``yield`` that lasts as long as the socket.
            Default: as ``App(warn_long_lived=...)``. On every server.
        limits: the limits of this route, beside those of the routers and the application around it; see ``Limits``. On
            every server.
        tags: in documents, behind those of the routers above. Default: none.
        summary: in documents. Default: the route's name in words.
        description: in documents, CommonMark. Default: the docstring of the endpoint, up to a form feed.
        operation_id: the name of the channel, with which the names of its operations begin. Default: made of the path.
        deprecated: whether documents say so. Default: False.
        include_in_schema: whether documents have the socket. Default: True.
        receives: the type of the messages that a ``websocket()`` endpoint reads, for documents; a union for several.
            Default: any.
        sends: the type of the messages that it sends. Default: any.

    Raises:
        TypeError: a value of another type.
        ValueError: a bound below 1 byte, seconds that are not positive and finite, or an entry that is no origin.
    """

    per_message_deflate: bool | None = None
    max_size: int | None = None
    send_timeout: float | None = None
    origins: Origins | None = None
    warn_long_lived: bool | None = None
    limits: Limits | None = None
    tags: Tags | None = None
    summary: str | None = None
    description: str | None = None
    operation_id: str | None = None
    deprecated: bool | None = None
    include_in_schema: bool | None = None
    receives: Any = None
    sends: Any = None

    def __post_init__(self) -> None:
        deflate, size, seconds = self.per_message_deflate, self.max_size, self.send_timeout
        if deflate is not None and not isinstance(deflate, bool):
            raise TypeError(f"per_message_deflate takes True, False or None, not {deflate!r}")
        if self.warn_long_lived is not None and not isinstance(self.warn_long_lived, bool):
            raise TypeError(f"warn_long_lived takes True, False or None, not {self.warn_long_lived!r}")
        if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
            raise TypeError(f"max_size takes a number of bytes, not {size!r}")
        if size is not None and size < 1:
            raise ValueError(f"max_size must be at least 1 byte, not {size}")
        if seconds is not None and (not isinstance(seconds, (int, float)) or isinstance(seconds, bool)):
            raise TypeError(f"send_timeout takes a number of seconds, not {seconds!r}")
        if seconds is not None and not 0 < seconds <= _LONGEST:
            raise ValueError(f"send_timeout must be a positive number of seconds, not {seconds!r}")

    def given(self) -> dict[str, Any] | None:
        """Return the options for the server; None without any."""
        return {name: value for name in _OF_SERVER if (value := getattr(self, name)) is not None} or None


_PARAMETERS = [
    inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option.type)
    for option in fields(WebSocketOptions)
]


def shows_socket_options(function: _F) -> _F:
    """Give ``function(..., **options: Unpack[SocketOptions])`` a signature with every option spelled out.

    Options that are not given are not passed on, so a method that a program overrides without them keeps working.
    Another keyword is a TypeError at once.
    """
    signature = inspect.signature(function)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    taken = {one.name for one in [*own, *_PARAMETERS]}

    @wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        if unknown := options.keys() - taken:
            raise TypeError(f"{function.__qualname__}() got an unexpected keyword argument {min(unknown)!r}")
        return function(*args, **options)

    checked.__signature__ = signature.replace(parameters=[*own, *_PARAMETERS])  # type: ignore[attr-defined]
    return cast(_F, checked)
