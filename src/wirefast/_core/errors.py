"""Exceptions that the compiled core raises and users may catch."""

from __future__ import annotations

from typing import Literal

from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocketDisconnect

from wirefast._core.close import ABNORMAL, EXPECTED_BINARY, EXPECTED_TEXT, UNSUPPORTED_DATA

try:
    from starlette.websockets import WebSocketDisconnected
except ImportError:  # a Starlette without this name
    WebSocketDisconnected = RuntimeError  # type: ignore[assignment,misc]


def blame_peer(exc: Exception, reason: str) -> Exception:
    """Mark an exception as caused by what the peer sent.

    The application gets the exception unchanged. Where no handler takes it, our server closes with 1003 (RFC 6455,
    section 7.4.1: data that cannot be accepted) and this reason, and logs one line, without a traceback.
    """
    exc.wirefast_close = (UNSUPPORTED_DATA, reason)  # type: ignore[attr-defined]
    return exc


class UnexpectedFrame(KeyError):
    """A text frame where the application asked for a binary frame, or the reverse.

    Also a ``KeyError`` of ``"text"`` or ``"bytes"``, as in Starlette.

    Args:
        wanted: ``"text"`` or ``"bytes"``, the kind that was asked for.
    """

    def __init__(self, wanted: Literal["text", "bytes"]) -> None:
        super().__init__(wanted)
        self.wanted = wanted
        blame_peer(self, EXPECTED_TEXT if wanted == "text" else EXPECTED_BINARY)

    def __str__(self) -> str:
        if self.wanted == "text":
            return "received a binary message where text was expected; use receive_bytes() or receive()"
        return "received a text message where bytes were expected; use receive_text() or receive()"


class PeerGone(WebSocketDisconnect, WebSocketDisconnected):
    """A send after a send of another task failed because the peer has left; the code is 1006.

    Starlette raises a RuntimeError there, so this class is one, for code that catches it. The handler has made no
    mistake: a hub or another handler made the earlier send.
    """

    def __init__(self) -> None:
        super().__init__(ABNORMAL)
        self.args = ('Cannot call "send" once the peer is gone.',)


class LimitExceeded(WebSocketException):
    """A message beyond a limit whose ``on_excess`` is ``"error"``; the message is dropped.

    The socket stays open if a handler catches the exception; otherwise the socket is closed with ``code`` and
    ``reason``.
    """
