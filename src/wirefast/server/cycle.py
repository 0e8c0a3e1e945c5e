"""One HTTP request and its response: uvicorn's cycle, which never keeps the loop busy without end.

uvicorn's ``send`` returns at once after the client has left, so an endless response never lets the event loop turn and
never learns of the end. Here a send on a lost connection lets the loop turn, so that listeners of the disconnect run.
An application that still sends gets an OSError, as ASGI 2.4 requires.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected

__all__ = ["Cycle"]

#: Sends in one turn of the loop after which the application has to let it turn.
SENDS_PER_TURN = 64
#: Sends after the end of the connection that only let the loop turn; later ones raise.
SENDS_AFTER_END = 64


class Cycle(RequestResponseCycle):
    """A request, from its head to the end of its response.

    Attributes:
        awaits_body: whether the application waits in ``receive`` for more of the body.
        is_last: whether the response is complete and the connection's last one, while bytes of the request still come.
    """

    def __init__(self, *, on_wait: Callable[[], None], on_end: Callable[[], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._on_wait = on_wait
        self._on_end = on_end
        self._sends = self._late_sends = 0
        self.awaits_body = False
        self.is_last = False

    async def run_asgi(self, app: Any) -> None:
        """Call the application, answer in its place if it fails, and tell the protocol of its end."""
        self._app = app
        try:
            await super().run_asgi(self._call)
        finally:
            self._on_end()
            del self._app, self._on_wait, self._on_end

    async def _call(self, scope: Any, receive: Any, send: Any) -> Any:
        try:
            return await self._app(scope, receive, send)
        except ClientDisconnected:
            # The client caused the exception, so it is no fault of the application.
            if not self.disconnected:
                raise
            return None
        except asyncio.CancelledError:
            # The server stops and has waited long enough, so this is no fault of the application either.
            await self._break_off()
            return None

    async def _break_off(self) -> None:
        """End a request whose application was cancelled: with 503, if no response has begun."""
        if not self.disconnected and not self.response_started:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"19")]
            await super().send({"type": "http.response.start", "status": 503, "headers": headers})
            await super().send({"type": "http.response.body", "body": b"Service Unavailable"})
        self.disconnected = True
        self.transport.close()

    async def send(self, message: Any) -> None:
        """``send`` of ASGI.

        Raises:
            ClientDisconnected: an OSError; the client has left, and 64 sends, each with a turn of the loop, have not
                stopped the application.
        """
        if self.disconnected:
            self._late_sends += 1
            if self._late_sends > SENDS_AFTER_END:
                raise ClientDisconnected
            await asyncio.sleep(0)
            return
        if not self.keep_alive and not self.response_started:
            message = _closing(message)
        if self.response_started and not self.keep_alive and self.more_body and not message.get("more_body"):
            # The protocol closes the connection, because bytes of the request still come.
            self.keep_alive = self.is_last = True
        await super().send(message)
        self._sends += 1
        if self._sends >= SENDS_PER_TURN:
            self._sends = 0
            await asyncio.sleep(0)

    async def receive(self) -> Any:
        """``receive`` of ASGI."""
        if self.more_body and not self.message_event.is_set():
            self.awaits_body = True
            self._on_wait()
            try:
                return await super().receive()
            finally:
                self.awaits_body = False
        return await super().receive()


def _closing(message: Any) -> Any:
    """Return the start of a response with ``connection: close``; from 0.53 on uvicorn adds that itself."""
    headers = list(message.get("headers", ()))
    if message["type"] != "http.response.start" or any(name.lower() == b"connection" for name, _ in headers):
        return message
    return {**message, "headers": [*headers, (b"connection", b"close")]}
