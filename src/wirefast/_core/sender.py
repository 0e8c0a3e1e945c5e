"""The outbox of a socket on another ASGI server: a task awaits the server's ``send`` while messages wait.

``Sender`` replaces the ``send`` of the WebSocket. While nothing waits, plain sends go directly to the server; while
messages wait, plain sends queue behind them. A message that the server's ``send`` has accepted has left the outbox, so
the server's own buffer is not counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, NamedTuple, Protocol
from weakref import ref

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from wirefast._core import close
from wirefast._core.channel import AsgiSend
from wirefast._core.outbox import Outbox, Outcome, Policy
from wirefast._core.websocket import WebSocketCore

logger = logging.getLogger("wirefast.rooms")

#: Seconds that the server has to accept the waiting messages and the close message.
CLOSE_TIMEOUT = 10.0


class Buffered(NamedTuple):
    """The messages that wait for one socket.

    Attributes:
        messages: data messages that the transport has not taken yet (on another server, its ``send``).
        bytes: their size, frame headers included.
        age: seconds that the oldest message has waited; 0 if none waits.
        dropped: messages that a policy has dropped on this socket so far.
    """

    messages: int
    bytes: int
    age: float
    dropped: int


class AsgiMessage(Protocol):
    """The part of a published message (`OutgoingMessage`) that this module needs."""

    @property
    def size(self) -> int: ...

    def asgi(self) -> dict[str, Any]:
        """Return a new ``websocket.send`` message."""


class Sender:
    """The ASGI ``send`` of one WebSocket, with an outbox."""

    def __init__(self, websocket: WebSocket) -> None:
        self.raw = websocket._send
        outbox = self.outbox = Outbox()
        # The handler's WebSocket is freed when the handler ends: only that tells us of the end on another ASGI server.
        self.socket = ref(websocket, lambda _: outbox.finish())
        self.loop = asyncio.get_running_loop()
        self.task: asyncio.Task[None] | None = None
        # While the socket is being closed: the messages that are still sent, the close message last.
        self.last: deque[Any] | None = None
        # Whether the handler has closed the socket.
        self.closed = False
        # A weak reference to the connection of our server, if it is known; the errors of the server carry it.
        self.connection = ref(self.raw.channel) if type(self.raw) is AsgiSend else None

    def is_open(self) -> bool:
        """Whether the socket is open: neither side is known to have closed."""
        websocket = self.socket()
        return (
            websocket is not None
            and not self.outbox.ended
            and websocket.application_state is WebSocketState.CONNECTED
            and websocket.client_state is WebSocketState.CONNECTED
        )

    def waiting_for(self) -> float:
        """Seconds that the oldest message has waited."""
        since = self.outbox.since()
        return 0.0 if since is None else max(0.0, self.loop.time() - since)

    def offer(self, message: AsgiMessage, policy: Policy, key: Any, first: bool) -> int:
        """Queue a message if the policy allows it. Returns the number of an ``Outcome``, never SENT."""
        if not self.is_open():
            return Outcome.GONE
        outcome = self.outbox.offer(message, message.size, policy, key, first, self.loop.time())
        if outcome == Outcome.QUEUED:
            self._start()
        elif outcome == Outcome.CLOSING:
            reason = close.too_slow(self.outbox.count, self.outbox.size)
            self.outbox.abandon()
            self.dismiss(close.TRY_AGAIN_LATER, reason)
        return outcome

    def dismiss(self, code: int, reason: str) -> None:
        """Close after the waiting messages. Gives up in time if the server waits for a peer that reads nothing."""
        if self.last is not None or not self.is_open():
            return
        self.last = deque()
        while (payload := self.outbox.pop()) is not None:
            self.last.append(payload)
        self.last.append({"type": "websocket.close", "code": code, "reason": reason})
        self.outbox.finish()
        self._start()
        if self.task is None:
            raise AssertionError
        timer = self.loop.call_later(CLOSE_TIMEOUT, self.task.cancel)
        self.task.add_done_callback(lambda _: timer.cancel())

    def finish(self) -> None:
        """End with the socket: plain sends that wait here fail, other messages are forgotten."""
        rest = self.last if self.last is not None else deque(iter(self.outbox.pop, None))
        self.last = deque()
        for payload in rest:
            if type(payload) is tuple and not payload[1].done():
                payload[1].set_exception(self._gone())
        self.outbox.finish()

    def _gone(self) -> OSError:
        """Return the exception of plain sends after the end; our server reads the connection from it."""
        error = OSError("the socket has ended")
        if self.connection is not None:
            error.wirefast_connection = self.connection  # type: ignore[attr-defined]
        return error

    def _start(self) -> None:
        if self.task is None:
            self.task = self.loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while (payload := self.last.popleft() if self.last else self.outbox.pop()) is not None:
                await self._send(payload)
        except (OSError, RuntimeError, WebSocketDisconnect) as exc:
            self.connection = getattr(exc, "wirefast_connection", self.connection)
            self.finish()
        except Exception:
            logger.exception("Sending to a WebSocket failed")
            self.finish()
        except asyncio.CancelledError:
            self.finish()
            raise
        finally:
            self.task = None

    async def _send(self, payload: Any) -> None:
        if type(payload) is tuple:
            message, future = payload
            if not future.cancelled():
                try:
                    await self.raw(message)
                except Exception as exc:
                    if not future.done():
                        future.set_exception(exc)
                else:
                    if not future.done():
                        future.set_result(None)
        elif type(payload) is dict:
            await self.raw(payload)
        else:
            # By the WebSocket, which may be a subclass with its own send(); by the server's send after the handler
            # closes.
            websocket = self.socket()
            if websocket is not None and websocket.application_state is WebSocketState.CONNECTED:
                await self._send_through(websocket, payload.asgi())
            else:
                await self.raw(payload.asgi())

    async def _send_through(self, websocket: WebSocket, message: Any) -> None:
        """Send for the hub. Where the peer has left, the handler still has to learn of it."""
        try:
            await websocket.send(message)
        except WebSocketDisconnect:
            # Starlette's class now records that the application has closed. The handler would not learn how the peer
            # left, which the server still has to tell.
            if not isinstance(websocket, WebSocketCore) and not self.closed:
                websocket.application_state = WebSocketState.CONNECTED
            raise

    async def __call__(self, message: Any) -> None:
        """Send a message of the handler in its turn, or a waiting message that the task sends by the WebSocket."""
        by_task = self.task is not None and asyncio.current_task() is self.task
        if self.last is not None and not by_task:
            # A policy or a hub has closed the socket, or a send failed: for the handler the peer has left.
            if message["type"] == "websocket.close":
                return
            raise self._gone()
        if message["type"] == "websocket.close":
            self.closed = True
        try:
            if self.task is None or by_task:
                await self.raw(message)
            else:
                future = self.loop.create_future()
                data = message.get("bytes") or (message.get("text") or "").encode("utf-8", "surrogatepass")
                self.outbox.hold((message, future), len(data), self.loop.time())
                await future
        except OSError as exc:
            self.connection = getattr(exc, "wirefast_connection", self.connection)
            self.finish()
            raise
        if message["type"] == "websocket.close":
            self.finish()
