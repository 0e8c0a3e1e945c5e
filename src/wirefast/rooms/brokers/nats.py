"""NATS, core publish and subscribe, with nats-py.

A subject is ``wirefast.`` and the name of the room, percent-encoded into one token. nats-py's own reconnection is off:
it would subscribe again without notice, but the hub has to report a gap. The hub does not get its own messages back.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from wirefast.extras import how_to_install
from wirefast.rooms.brokers.base import BrokerUnavailable, InvalidBrokerURL, take_prefix
from wirefast.rooms.brokers.link import BrokerLink, LinkError, TurnBudget, one_line
from wirefast.rooms.brokers.supervisor import BrokerLimits, SupervisedBroker, forget

try:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.errors import Error, MaxPayloadError, SlowConsumerError
except ImportError as error:  # one line instead of a traceback through this file
    raise BrokerUnavailable(f"NATS needs its client: {how_to_install('nats')}") from error

__all__ = ["NatsBroker", "token"]

# How many messages one subscription keeps until its callback has run, and how many wait for their turn behind that.
# More messages are a slow consumer, and a gap.
PENDING_MESSAGES = 65536
PENDING_BYTES = 64 << 20
# The client's own pings are off: the check of the supervisor has a known deadline.
NEVER = 10**9


def token(room: str) -> str:
    """Return the name of a room as one token of a subject; the room without a name has a token that no name has."""
    return quote(room, safe="").replace(".", "%2E") or "%"


class NatsBroker(SupervisedBroker):
    """NATS, one server or the servers of a cluster.

    Args:
        url: ``nats://[user:password@ or token@]host[:port]``, ``tls://`` to insist on TLS. Several servers of a cluster
            are separated by commas, each as a complete URL; ``?prefix=`` comes after the last.
        limits: Sizes and times, if not the defaults.
        client: Further arguments for nats-py's ``connect``, such as ``user_credentials`` or ``tls``.

    Raises:
        InvalidBrokerURL: A URL that is malformed.
    """

    def __init__(self, url: str, limits: BrokerLimits | None = None, client: dict[str, Any] | None = None) -> None:
        addresses, prefix = take_prefix(url)
        self._servers = addresses.split(",")
        places = []
        for address in self._servers:
            try:
                parts = urlsplit(address)
                well_formed = parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
                places.append(f"{parts.hostname}:{parts.port or 4222}")
            except ValueError:
                well_formed = False
            if not well_formed or parts.path.strip("/") or parts.query or parts.fragment:
                raise InvalidBrokerURL(
                    "a NATS URL has the form nats://[user:password@]host[:port], several joined by ','"
                )
        super().__init__(f"NATS at {', '.join(places)}", limits)
        self._prefix = f"{prefix}."
        self._options = {"name": "wirefast"} | (client or {})

    def make_link(self, receive: Callable[[str, bytes], None], overrun: Callable[[str], None]) -> NatsLink:
        servers = random.sample(self._servers, len(self._servers))
        share = 0.9 * self.limits.connect_within / len(servers)
        return NatsLink(servers, share, self._options, self._prefix, receive, overrun)


class _Client(Client):
    """nats-py's client with two changes.

    nats-py would connect without TLS to a server without TLS, even for a ``tls://`` URL. At the close, nats-py writes
    what is pending and waits for the connection to take it. A lost connection raises there, before callbacks and tasks
    are ended, and a stuck connection never finishes.
    """

    insists = False
    closing: Callable[[], None] | None = None

    def _connect_command(self) -> bytes:
        writer = self.writer
        if self.insists and (writer is None or writer.get_extra_info("ssl_object") is None):
            raise Error("the server offers no TLS")
        command: bytes = super()._connect_command()
        return command

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        self._pending_data_size = 0
        if self.writer is not None:
            self.writer.transport.abort()
        if self.closing is not None:
            self.closing()
        await super()._close(status, do_cbs)

    @property
    def writer(self) -> asyncio.StreamWriter | None:
        return getattr(self._transport, "_io_writer", None)

    @property
    def asks_for_credentials(self) -> bool:
        return bool(self._server_info.get("auth_required"))


class NatsLink(BrokerLink):
    """A client of one server: the first of the given servers that answers."""

    def __init__(
        self,
        servers: Sequence[str],
        share: float,
        options: dict[str, Any],
        prefix: str,
        receive: Callable[[str, bytes], None],
        overrun: Callable[[str], None],
    ) -> None:
        super().__init__(receive, overrun)
        self._servers = servers
        self._share = share
        self._options = options
        self._prefix = prefix
        self._client: _Client | None = None  # None until it is connected
        self._error: Exception | None = None  # the last error that the client reported
        self._denied: list[str] = []  # the subjects that the server did not allow
        self._subscriptions: dict[str, tuple[str, Subscription]] = {}  # subject -> room and subscription
        self._turn = TurnBudget()
        # Room and payload of each message that waits for its turn, in order of arrival.
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._waiting_bytes = 0
        self._next: asyncio.Handle | None = None
        self._trips: set[asyncio.Future[Any]] = set()

    async def open(self) -> None:
        reason = ""
        for server in self._servers:
            client = _Client()
            client.insists = server.startswith("tls:")
            self._error = None
            options: dict[str, Any] = {
                "servers": [server],
                "allow_reconnect": False,
                "max_reconnect_attempts": 1,
                "reconnect_time_wait": 0,
                "connect_timeout": self._share,
                "ping_interval": NEVER,
                "no_echo": True,
                "error_cb": self._report,
            }
            try:
                await asyncio.wait_for(client.connect(**(options | self._options)), self._share)
                if client.is_connected:
                    self._client = client
                    client.closing = self._closing
                    return
                error: Exception = ConnectionError("the connection was closed")
            except asyncio.TimeoutError:
                error = TimeoutError(f"no answer within {self._share:.2g} s")
            except (Error, OSError) as failure:
                error = failure
            except BaseException:
                await self._free(client)
                raise
            reason = _reason(error if self._error is None else self._error)
            if client.asks_for_credentials and isinstance(error, ConnectionError):
                # A refused client's connection is often reset before the client reads the reason.
                reason = f"access refused: the server asks for credentials and ended the connection ({reason})"
            await self._free(client)
        raise LinkError(reason)

    async def _report(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            if subscribed := self._subscriptions.get(error.subject):
                self.overrun(subscribed[0])
        elif "permissions violation" in str(error).lower():
            self._denied.append(_reason(error).lower())
        else:
            self._error = error

    def _closing(self) -> None:
        if self._client is not None:
            self.end(_reason(self._error or self._client.last_error or "the connection was closed"))

    async def change(self, add: Sequence[str], drop: Sequence[str]) -> None:
        client = self._standing()
        try:
            for room in add:
                subject = self._prefix + token(room)
                subscription = await client.subscribe(
                    subject,
                    cb=self._receiver(room),
                    pending_msgs_limit=PENDING_MESSAGES,
                    pending_bytes_limit=PENDING_BYTES,
                )
                self._subscriptions[subject] = room, subscription
            for room in drop:
                _, subscription = self._subscriptions.pop(self._prefix + token(room))
                await subscription.unsubscribe()
        except (Error, OSError) as error:
            raise LinkError(_reason(error)) from None
        await self._settle(client)
        for text in self._denied:
            if "violation for subscription" in text:
                raise LinkError(text)

    def _receiver(self, room: str) -> Callable[[Msg], Awaitable[None]]:
        async def received(message: Msg) -> None:
            self.heard += 1
            self._take(room, message.data)

        return received

    def _take(self, room: str, payload: bytes) -> None:
        """Deliver what has arrived, now or in the next turn: nats-py delivers everything without a pause."""
        if len(self._waiting) >= PENDING_MESSAGES or self._waiting_bytes + len(payload) > PENDING_BYTES:
            self.overrun(room)
            return
        self._waiting.append((room, payload))
        self._waiting_bytes += len(payload)
        if self._next is None:
            self._hand_on()

    def _hand_on(self) -> None:
        self._next = None
        while self._waiting:
            room, payload = self._waiting.popleft()
            self._waiting_bytes -= len(payload)
            self.receive(room, payload)
            if self._turn.is_over():
                self._next = asyncio.get_running_loop().call_soon(self._hand_on)
                return

    async def publish(self, batch: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
        client = self._standing()
        refused = []
        for room, payload in batch:
            try:
                await client.publish(self._prefix + token(room), payload)
            except MaxPayloadError:
                refused.append((room, f"{len(payload)} bytes are more than the {client.max_payload} that it takes"))
            except (Error, OSError) as error:
                raise LinkError(_reason(error)) from None
        await self._settle(client)
        denied, self._denied = self._denied, []
        for text in denied:
            # nats-py has changed the text to lower case.
            room = next((room for room, _ in batch if f'"{self._prefix}{token(room)}"'.lower() in text), batch[0][0])
            refused.append((room, text))
        return refused

    async def check(self) -> None:
        await self._round_trip(self._standing())

    def _standing(self) -> _Client:
        if self._client is None or self.ended.done():
            raise LinkError("the connection is closed")
        return self._client

    async def _settle(self, client: _Client) -> None:
        """Wait until the server has read what was written.

        nats-py writes a ping at once, but commands only when its flusher runs, so the server may answer a first ping
        before it reads them. The pong of a ping that is sent when nothing is pending comes after them.
        """
        while client.pending_data_size:
            await self._round_trip(client)
        await self._round_trip(client)

    async def _round_trip(self, client: _Client) -> None:
        # nats-py's reader fails when the pong of a cancelled ping arrives, so a ping is never cancelled before the
        # client is closed; the supervisor has the deadline. Where nats-py has rtt(), its flush() makes no round trip
        # once the reader has died.
        trip = asyncio.ensure_future(getattr(client, "rtt", client.flush)(timeout=NEVER))
        self._trips.add(trip)
        trip.add_done_callback(self._trips.discard)
        try:
            await asyncio.shield(trip)
        except (Error, OSError) as error:
            raise LinkError(_reason(error)) from None

    async def close(self) -> None:
        client, self._client = self._client, None
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
        if client is not None:
            await self._free(client)
        for trip in list(self._trips):
            trip.cancel()

    async def _free(self, client: _Client) -> None:
        closing = asyncio.ensure_future(client.close())
        await asyncio.wait({closing}, timeout=1.0)
        closing.cancel()
        closing.add_done_callback(forget)


def _reason(error: object) -> str:
    text = one_line(error).removeprefix("nats: ").strip("'")
    refused = "authorization" in text.lower() or "permissions violation" in text.lower()
    return f"access refused: {text}" if refused else text
