"""The interface of a broker for a hub, and the broker of a URL.

A broker carries payloads between the hubs of several processes; it does not read them. It delivers each payload at most
once to a hub that is subscribed to the room, and the payloads of one publisher and room in the order of publishing.
Where payloads may have been lost, the broker calls ``gap`` with the room. A hub may also get its own payloads. The hub
sends to its own members without the broker, before publishing and also while the broker is not connected.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from urllib.parse import parse_qsl, urlencode

__all__ = ["Broker", "BrokerUnavailable", "Deliver", "Gap", "InvalidBrokerURL", "make_broker", "take_prefix"]

Deliver = Callable[[str, bytes], None]
Gap = Callable[[list[str]], None]


class BrokerUnavailable(Exception):
    """A broker cannot be used: its client is not installed, the broker does not answer, or it refuses the connection.

    ``str()`` is one line for people, without the password of the URL.
    """


class InvalidBrokerURL(ValueError):
    """A URL that names no broker, or is malformed. ``str()`` is one line without the URL."""


class Broker(ABC):
    """A connection to a broker. Made in any thread; all methods run in the event loop that ran ``start``.

    The hub checks the names of rooms: not empty, printable, at most 1,024 bytes in UTF-8.

    Attributes:
        malformed: how many payloads to the broker's own channels, such as notices, could not be read. The hub checks
            the payloads of rooms.
        reconnects: how often a lost connection was made again.
    """

    malformed: int = 0
    reconnects: int = 0

    @property
    def lag(self) -> float:
        """Seconds that the broker took to accept the last batch of payloads; 0 if that is unknown."""
        return 0.0

    @abstractmethod
    async def start(self, deliver: Deliver, gap: Gap) -> None:
        """Connect, and stay connected until ``stop``: a lost connection is made again, with backoff.

        Args:
            deliver: Called in the loop with room and payload, for each payload of a subscribed room.
            gap: Called with the subscribed rooms of which payloads may have been lost: once for each room and
                interruption, after the broker has confirmed the subscription again.

        Raises:
            BrokerUnavailable: The first connection fails. A process without its broker would look healthy but receive
                nothing, so the process does not start.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Send what is queued, for at most two seconds, then disconnect. Allowed at any time."""

    @abstractmethod
    def subscribe(self, room: str) -> None:
        """Subscribe to a room. Returns at once. The subscription lasts through interruptions until ``unsubscribe``."""

    @abstractmethod
    def unsubscribe(self, room: str) -> None:
        """Unsubscribe from a room: none of its payloads is delivered after this call. Unknown rooms are ignored."""

    @abstractmethod
    async def subscribed(self, room: str) -> None:
        """Wait until the broker has confirmed the subscription of a room.

        Returns at once if the broker is not connected (a ``gap`` follows when it is), if the room is not
        subscribed, and after ``stop``.
        """

    @abstractmethod
    def publish(self, room: str, payload: bytes) -> None:
        """Queue a payload; never waits. The queue is bounded in payloads and bytes.

        Payloads that do not fit are dropped, counted in ``dropped`` and logged once for each interruption. The hubs
        that are subscribed to the room learn of the gap when the broker is connected.
        """

    @abstractmethod
    async def flush(self) -> None:
        """Wait until the broker has accepted the payloads that are queued now, or they were dropped; also while the
        broker is not connected."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether the broker is connected and every subscription is confirmed."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many payloads of ``publish`` were dropped, or were being sent when a connection ended."""


def make_broker(url: str) -> Broker:
    """Make the broker of a URL: ``redis://``, ``rediss://`` (TLS), ``unix://`` (Redis), ``nats://``, ``tls://`` (NATS).

    The names of channels or subjects begin with ``wirefast``; ``?prefix=`` in the URL sets another word, so that two
    applications can share a broker. The client gets the other options of a Redis URL.

    Raises:
        InvalidBrokerURL: The URL names no broker, or is malformed; a ValueError. The text does not repeat the URL,
            which may hold a password.
        BrokerUnavailable: The client is not installed: ``wirefast[redis]``, ``wirefast[nats]``.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _BROKERS:
        known = ", ".join(f"{name}://" for name in _BROKERS)
        raise InvalidBrokerURL(f"the URL of a broker begins with one of {known}")
    module, name = _BROKERS[scheme]
    broker: Broker = getattr(import_module(module), name)(url)
    return broker


# Imported at the first use: each needs a client of an extra.
_BROKERS = {
    "redis": ("wirefast.rooms.brokers.redis", "RedisBroker"),
    "rediss": ("wirefast.rooms.brokers.redis", "RedisBroker"),
    "unix": ("wirefast.rooms.brokers.redis", "RedisBroker"),
    "nats": ("wirefast.rooms.brokers.nats", "NatsBroker"),
    "tls": ("wirefast.rooms.brokers.nats", "NatsBroker"),
    "local": ("wirefast.rooms.brokers.local", "LocalBroker"),
}


def take_prefix(url: str) -> tuple[str, str]:
    """Return a URL without its ``prefix``, and the prefix: words of letters, digits, ``_`` and ``-`` joined by dots."""
    base, mark, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    prefixes = [value for name, value in options if name == "prefix"]
    prefix = prefixes[-1] if prefixes else "wirefast"
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", prefix):
        raise InvalidBrokerURL("the prefix of a broker's URL is letters, digits, '_', '-' and single dots between them")
    rest = urlencode([option for option in options if option[0] != "prefix"])
    return (f"{base}?{rest}" if rest else base), prefix
