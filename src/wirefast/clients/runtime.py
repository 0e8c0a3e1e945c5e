"""The Python client: one connection for each ``connect()``, which is made again when it is lost."""

# region imports
from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Generic, Literal
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError
from typing_extensions import Self
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from wirefast.clients.runtime_parts import (
    LATER,
    NEVER,
    REFUSALS,
    ChannelSpec,
    ConnectionLost,
    Dropped,
    Heard,
    Options,
    Outcome,
    Pending,
    Reader,
    ReplyError,
    Sent,
    State,
    StateChange,
    Waiting,
    address_of,
    encoded,
    of_status,
)

# endregion
# region runtime


class Socket(Generic[Sent, Heard]):
    """One socket, which connects again when its connection is lost. An asynchronous context manager.

    Args:
        spec: the declaration of the socket.
        url: the server's URL (``ws://``, ``wss://``, ``http://`` or ``https://``), with the path before the addresses.
        params: the parameters of the path.
        query: the parameters of the query. A parameter with the value None is left out.
        options: see `Options`.
    """

    def __init__(
        self, spec: ChannelSpec, url: str, params: Mapping[str, Any], query: Mapping[str, Any], options: Options
    ) -> None:
        self._spec = spec
        self._url = address_of(spec, url, params, query)
        self._options = options
        self._types: TypeAdapter[Any] = TypeAdapter(spec.hears)
        self._change = StateChange("connecting")
        self._listeners: dict[str, list[Callable[[Any], object]]] = {}
        self._waiting: deque[Waiting] = deque()
        self._pending: dict[int, Pending] = {}
        self._readers: set[Reader] = set()
        self._connection: ClientConnection | None = None
        self._ended: ConnectionLost | None = None
        self._task: asyncio.Task[None] | None = None
        self._refs = self._attempts = self._refusals = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def state(self) -> State:
        """The state of the socket."""
        return self._change.state

    def on(self, event: str, listener: Callable[[Any], object]) -> Callable[[], None]:
        """Call a function for each event of a kind.

        Args:
            event: a tag, for each message of that tag; or the word message, state or dropped: for each message, each
                change of the state, each dropped message.
            listener: the function.

        Returns:
            A function that removes the listener.
        """
        listeners = self._listeners.setdefault(event, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener) if listener in listeners else None

    async def send(self, message: Sent) -> Outcome:
        """Send a message, or keep it until there is a connection.

        Args:
            message: the message.
        """
        return await self._put(Waiting(encoded(message), message, None))

    async def _request(self, message: Any, timeout: float | None) -> Any:
        self._refs += 1
        ref = self._refs
        seconds = self._options.get("timeout", 10.0) if timeout is None else timeout
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[ref] = Pending(future, [])
        try:
            if await self._put(Waiting(encoded(message, ref), message, ref)) == "dropped":
                if self._is_closed():
                    raise ConnectionLost("the socket is closed", self._change.code, self._change.reason)
                raise ConnectionLost("the queue is full")
            return await asyncio.wait_for(future, seconds)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no answer within {seconds} s") from None
        finally:
            del self._pending[ref]
            self._waiting = deque(item for item in self._waiting if item.ref != ref)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close: send nothing more, and do not connect again.

        Args:
            code, reason: the code and the reason of the close frame.
        """
        connection = self._connection
        self._finish(code, reason)
        if connection is not None:
            await connection.close(code, reason)
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[Heard]:
        """Iterate over the messages from now on. Raise `ConnectionLost` when the server has closed permanently."""
        reader = Reader(lambda message: self._emit("dropped", Dropped(message, "unread")))
        if self._is_closed():
            reader.finish(self._ended)
        self._readers.add(reader)
        return reader

    def _is_closed(self) -> bool:
        return self._change.state == "closed"

    # ---- Sending ----

    async def _put(self, item: Waiting) -> Outcome:
        if self._is_closed():
            return self._drop(item, "closed")
        if self._change.state == "open" and self._connection is not None and await self._write(self._connection, item):
            return "sent"
        if self._is_closed():  # the socket may have been closed during the write
            return self._drop(item, "closed")
        if len(self._waiting) >= self._options.get("queue", 100):
            return self._drop(item, "queue full")
        self._waiting.append(item)
        return "queued"

    async def _write(self, connection: ClientConnection, item: Waiting) -> bool:
        pending = None if item.ref is None else self._pending.get(item.ref)
        if pending is not None:
            pending.sent.append(True)
        try:
            await connection.send(item.data)
        except ConnectionClosed:
            if pending is not None:
                pending.sent.clear()
            return False
        return True

    def _drop(self, item: Waiting, why: Literal["queue full", "closed"]) -> Outcome:
        self._emit("dropped", Dropped(item.message, why))
        return "dropped"

    # ---- The connection ----

    async def _run(self) -> None:
        while self.state != "closed":
            self._set(StateChange("connecting"))
            opened = 0.0
            hint: float | None = None
            try:
                connection = await self._open()
            except InvalidStatus as exc:
                code, reason, hint = of_status(exc)
            except (OSError, TimeoutError, asyncio.TimeoutError, WebSocketException) as exc:
                code, reason = 1006, str(exc)
            except Exception as exc:  # raised by the function that returns the token
                code, reason = 1006, f"no token: {exc!r}"
            else:
                opened = time.monotonic()
                code, reason = await self._serve(connection)
            if opened and time.monotonic() - opened >= self._options.get("stable", 5.0):
                self._attempts = self._refusals = 0
            await self._lost(code, reason, hint)

    async def _open(self) -> ClientConnection:
        options, url, first = self._options, self._url, None
        token = options.get("token")
        value = token() if callable(token) else token
        if value is not None and not isinstance(value, str):
            value = await value
        headers, protocols = dict(options.get("headers", {})), list(options.get("protocols", ()))
        place = options.get("token_in", self._spec.token)
        if value is not None:
            if place == "header":
                headers["Authorization"] = f"Bearer {value}"
            elif place == "subprotocol":
                protocols = protocols or ["wirefast"]  # a server never selects the token's subprotocol
                protocols.append("bearer." + base64.urlsafe_b64encode(value.encode()).decode().rstrip("="))
            elif place == "message":
                first = json.dumps({"type": "auth", "token": value})
            else:
                url += ("&" if "?" in url else "?") + urlencode({place: value})
        offered: Any = protocols or None
        seconds = options.get("open_timeout", 10.0)
        connection = await open_connection(
            url, additional_headers=headers, subprotocols=offered, open_timeout=seconds, max_size=None
        )
        if first is not None:
            await connection.send(first)
        return connection

    async def _serve(self, connection: ClientConnection) -> tuple[int, str]:
        """Send the waiting messages, then read messages until the connection ends."""
        self._connection = connection
        try:
            while self._waiting:
                item = self._waiting.popleft()
                if not await self._write(connection, item):
                    self._waiting.appendleft(item)
                    break
            self._set(StateChange("open"))
            async for data in connection:
                self._hear(data)
        except ConnectionClosed:
            pass
        finally:
            self._connection = None
        return connection.close_code or 1006, connection.close_reason or ""

    def _hear(self, data: str | bytes) -> None:
        message: Any = data
        if isinstance(data, str) and not self._spec.text:
            try:
                message = json.loads(data)
            except ValueError:
                pass  # plain text, which this socket sends besides JSON
        tag, ref = None, None
        if isinstance(message, dict):
            tag, ref = message.get(self._spec.tag or "type"), message.get("ref")
        pending = self._pending.get(ref) if isinstance(ref, int) else None
        if pending is not None and not pending.future.done():
            if tag == "error":
                pending.future.set_exception(ReplyError(message))
                return
            try:
                pending.future.set_result(self._types.validate_python(message))
            except ValidationError as exc:
                pending.future.set_exception(exc)
            return
        try:
            message = self._types.validate_python(message)
        except ValidationError:
            self._emit("dropped", Dropped(message, "unknown"))
            return
        for reader in tuple(self._readers):
            reader.push(message)
        self._emit("message", message)
        if tag is not None and tag not in ("message", "state", "dropped"):
            self._emit(str(tag), message)

    async def _lost(self, code: int, reason: str, hint: float | None) -> None:
        """Connect again after the end of a connection or a failed attempt. Requests that were sent have failed."""
        if self.state == "closed":
            return
        error = ConnectionLost("the connection was lost before the answer", code, reason)
        for pending in self._pending.values():
            if pending.sent and not pending.future.done():
                pending.future.set_exception(error)
        delay = self._delay_after(code, reason, hint)
        if delay is None:
            self._finish(code, reason)
            return
        self._attempts += 1
        self._set(StateChange("waiting", code, reason, delay))
        await asyncio.sleep(delay)

    def _delay_after(self, code: int, reason: str, hint: float | None) -> float | None:
        """Return the seconds until the next attempt; None for no other attempt."""
        options = self._options
        base, most = options.get("retry_base", 0.25), options.get("retry_max", 30.0)
        jitter = random.random() * min(most, base * 2 ** min(self._attempts, 30))
        decide = options.get("reconnect")
        wish = decide(code, reason) if decide else None
        if wish is False or (wish is None and self._attempts >= options.get("attempts", 2**62)):
            return None
        if isinstance(wish, (int, float)) and wish is not True:
            return float(wish)
        found = re.search(r"(?:^|[\s;,])retry=(\d{1,9})\b", reason)
        if found and (code in (1012, 1013) or code in LATER):
            hint = int(found[1]) / 1000
        if hint is not None:
            return hint + random.random() * base
        if code == 4401 and wish is None:
            self._refusals += 1
            if not callable(options.get("token")) or self._refusals > REFUSALS:
                return None
            return 0.0 if self._refusals == 1 else jitter
        never = code in NEVER or (4400 <= code < 4500 and code not in LATER)
        return None if never and wish is not True else jitter

    def _set(self, change: StateChange) -> None:
        if self.state != "closed":
            self._change = change
            self._emit("state", change)

    def _emit(self, event: str, value: Any) -> None:
        for listener in tuple(self._listeners.get(event, ())):
            try:
                listener(value)
            except Exception as exc:  # an error of the listener is reported, and the other listeners are called
                context = {"message": f"a listener of {event!r} failed", "exception": exc}
                asyncio.get_running_loop().call_exception_handler(context)

    def _finish(self, code: int, reason: str) -> None:
        if self.state == "closed":
            return
        self._set(StateChange("closed", code, reason))
        error = ConnectionLost("the socket was closed", code, reason)
        while self._waiting:
            self._drop(self._waiting.popleft(), "closed")
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(error)
        self._ended = None if code == 1000 else error
        for reader in self._readers:
            reader.finish(self._ended)


# endregion
