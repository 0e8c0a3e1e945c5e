"""Redis by pub/sub, with redis-py: one connection that listens, one that publishes.

A channel is ``wirefast:`` and the name of the room. Pub/sub ignores databases: ``?prefix=`` separates applications, the
number in a URL does not. The connections of redis-py are used without its pool and its ``PubSub``, which make a lost
connection again without notice; but the hub has to report a gap. The protocol is RESP2, where all replies of the
listening connection have one form.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from wirefast.extras import how_to_install
from wirefast.rooms.brokers.base import BrokerUnavailable, InvalidBrokerURL, take_prefix
from wirefast.rooms.brokers.link import BrokerLink, LinkError, TurnBudget, one_line
from wirefast.rooms.brokers.supervisor import BrokerLimits, SupervisedBroker

try:
    from redis.asyncio.connection import AbstractConnection, Connection, parse_url
    from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
except ImportError as error:  # one line instead of a traceback through this file
    raise BrokerUnavailable(f"Redis needs its client: {how_to_install('redis')}") from error

__all__ = ["RedisBroker"]


class RedisBroker(SupervisedBroker):
    """Redis, Valkey or another server of their protocol.

    Args:
        url: ``redis://[user:password@]host[:port][/database]``, ``rediss://`` for TLS, ``unix://[user:password@]/path``;
            ``?prefix=`` and redis-py's own options (``ssl_ca_certs``, ``ssl_cert_reqs``, …) after a question mark.
        limits: Sizes and times, if not the defaults.

    Raises:
        InvalidBrokerURL: A URL that is malformed, or an option that redis-py does not know.
    """

    def __init__(self, url: str, limits: BrokerLimits | None = None) -> None:
        address, prefix = take_prefix(url)
        try:
            parts = urlsplit(address)
            options: dict[str, Any] = dict(parse_url(address))
        except ValueError as error:
            raise InvalidBrokerURL(one_line(error) if str(error).startswith("Invalid value for") else _FORM) from None
        # For redis-py a URL without a host means localhost, and a URL with another path means the database 0.
        if parts.scheme == "unix":
            well_formed = bool(parts.path)
        else:
            well_formed = bool(parts.hostname) and (parts.path in ("", "/") or parts.path[1:].isdecimal())
        if not well_formed:
            raise InvalidBrokerURL(_FORM)
        options.pop("max_connections", None)  # an option of the pool, which is not used
        # The supervisor has the deadline of every exchange, and the listener waits without one.
        options.update(socket_timeout=None, health_check_interval=0, retry_on_timeout=False, decode_responses=False)
        self._options = {"client_name": "wirefast"} | options | {"protocol": 2}
        self._class: type[AbstractConnection] = self._options.pop("connection_class", Connection)
        try:
            connection = self.connection()
        except TypeError as error:
            raise InvalidBrokerURL(f"redis-py: {one_line(error).rpartition('() ')[2]} of a URL") from None
        place = [str(getattr(connection, name)) for name in ("path", "host", "port") if hasattr(connection, name)]
        super().__init__(f"Redis at {':'.join(place)}", limits)
        self._prefix = f"{prefix}:".encode()

    def connection(self) -> Any:  # redis-py's types are partial
        """Make a connection of redis-py to the server, not connected yet."""
        return self._class(**self._options)

    @property
    def prefix(self) -> str:
        """What the names of channels and keys begin with, the colon included."""
        return self._prefix.decode()

    def make_link(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> RedisLink:
        return RedisLink(self.connection(), self.connection(), self._prefix, receive, overrun)


_FORM = "a Redis URL has the form redis://[user:password@]host[:port][/database] or unix:///path"


class RedisLink(BrokerLink):
    """Two connections. The kind of a reply on the listening one separates answers from messages; answers are in
    order."""

    def __init__(
        self,
        listener: Any,
        speaker: Any,
        prefix: bytes,
        receive: Callable[[str, bytes], None],
        overrun: Callable[[str], None],
    ) -> None:
        super().__init__(receive, overrun)
        self._listener = listener
        self._speaker = speaker
        self._speaking = asyncio.Lock()
        self._turn = TurnBudget()
        self._prefix = prefix
        self._transports: list[asyncio.WriteTransport] = []
        self._reading: asyncio.Task[None] | None = None
        self._confirmations = 0  # the confirmations that are still expected
        self._confirmed: asyncio.Future[None] | None = None
        self._pongs: deque[asyncio.Future[None]] = deque()

    async def open(self) -> None:
        try:
            for connection in (self._listener, self._speaker):
                await connection.connect()
                if (writer := getattr(connection, "_writer", None)) is not None:
                    self._transports.append(writer.transport)
        except (RedisError, OSError) as error:
            raise LinkError(_reason(error)) from None
        self._reading = asyncio.create_task(self._read(), name="wirefast: Redis")

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self._listener.read_response(disconnect_on_error=False))
                # redis-py reads buffered messages without a pause.
                if self._turn.is_over():
                    await asyncio.sleep(0)
        except (LinkError, RedisError, OSError) as error:
            self.end(_reason(error))
        except Exception as error:  # redis-py raises ValueError and others for bytes that are no RESP
            self.end(f"{type(error).__name__}: {one_line(error)}")

    def _take(self, reply: Any) -> None:
        self.heard += 1
        kind = reply[0]
        if kind == b"message":
            self.receive(reply[1][len(self._prefix) :].decode(), reply[2])
        elif kind in (b"subscribe", b"unsubscribe") and self._confirmations:
            self._confirmations -= 1
            if not self._confirmations and self._confirmed is not None and not self._confirmed.done():
                self._confirmed.set_result(None)
        elif kind == b"pong" and self._pongs:
            pong = self._pongs.popleft()
            if not pong.done():
                pong.set_result(None)
        else:
            raise LinkError(f"a reply that no command waits for: {str(reply)[:60]}")

    async def change(self, add: Sequence[str], drop: Sequence[str]) -> None:
        commands: list[Sequence[str | bytes]] = []
        if add:
            commands.append(("SUBSCRIBE", *(self._prefix + room.encode() for room in add)))
        if drop:
            commands.append(("UNSUBSCRIBE", *(self._prefix + room.encode() for room in drop)))
        self._confirmations = len(add) + len(drop)
        self._confirmed = asyncio.get_running_loop().create_future()
        await self._send(self._listener, commands)
        await self._confirmed

    async def publish(self, batch: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
        refused = []
        async with self._speaking:
            commands = [("PUBLISH", self._prefix + room.encode(), data) for room, data in batch]
            await self._send(self._speaker, commands)
            for room, _ in batch:
                try:
                    await self._speaker.read_response(disconnect_on_error=False)
                except ResponseError as error:
                    refused.append((room, one_line(error)))
                except (RedisError, OSError) as error:
                    raise LinkError(_reason(error)) from None
                self.heard += 1
        return refused

    async def check(self) -> None:
        pong = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        await self._send(self._listener, [("PING",)])
        async with self._speaking:
            await self._send(self._speaker, [("PING",)])
            try:
                await self._speaker.read_response(disconnect_on_error=False)
            except (RedisError, OSError) as error:
                raise LinkError(_reason(error)) from None
        await pong

    async def _send(self, connection: Any, commands: Sequence[Sequence[str | bytes]]) -> None:
        # The client would make a lost connection again; only the supervisor may do that.
        if not connection.is_connected:
            raise LinkError("the connection is closed")
        try:
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        except (RedisError, OSError) as error:
            raise LinkError(_reason(error)) from None

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        # Unsent bytes would keep a stuck connection open for a quarter of an hour, and redis-py forgets the transport
        # of a failed connection.
        for transport in self._transports:
            transport.abort()
        for connection in (self._listener, self._speaker):
            try:
                await connection.disconnect(nowait=True)
            except (RedisError, OSError):
                pass


def _reason(error: Exception) -> str:
    if isinstance(error, (AuthenticationError, NoPermissionError)):
        return f"access refused: {one_line(error)}"
    return one_line(error)
