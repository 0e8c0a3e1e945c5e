"""What a hub asks of a broker, and the broker that a URL means.

A broker carries payloads, which are opaque to it, between the hubs of several processes. It promises: each payload is
delivered at most once to a hub that was subscribed to its room, those of one publisher and room in the order of
publishing. Where payloads may have been lost, the room is named to ``gap``. A hub may hear its own payloads as well;
its members need no broker: they are served before it, and also while it is away.
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
    """A broker that cannot be used: its client is not installed, it does not answer, or it refuses us.

    ``str()`` is one line for a person, without the password of the URL.
    """


class InvalidBrokerURL(ValueError):
    """A URL that means no broker, or is malformed. ``str()`` is one line, and does not repeat it."""


class Broker(ABC):
    """A connection to a broker. Built anywhere; everything else happens in the loop that ran ``start``.

    Room names are checked by the hub: not empty, printable, at most 1,024 bytes in UTF-8.

    Attributes:
        malformed: what was delivered to the broker's own ends, such as its notices, and makes no sense. The payloads of
            rooms are the hub's to check.
        reconnects: how often a lost connection was made again.
    """

    malformed: int = 0
    reconnects: int = 0

    @property
    def lag(self) -> float:
        """Seconds that the broker took to take the last batch of payloads; 0 where that is not known."""
        return 0.0

    @abstractmethod
    async def start(self, deliver: Deliver, gap: Gap) -> None:
        """Connect, and from then on stay connected: a lost connection is made again, with backoff, until ``stop``.

        Args:
            deliver: Called with room and payload, in the loop, for everything published to a room that is subscribed.
            gap: Called with the rooms, among those subscribed, of which payloads may have been lost. Each is named once
                for one interruption, after its subscription is confirmed again.

        Raises:
            BrokerUnavailable: The first connection cannot be made. A process that starts without its broker would
                look healthy and be deaf, so it does not start.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Hand over what is queued if that takes no more than two seconds, then disconnect. Allowed at any time."""

    @abstractmethod
    def subscribe(self, room: str) -> None:
        """Ask for the payloads of a room. Returns at once; kept through every interruption until ``unsubscribe``."""

    @abstractmethod
    def unsubscribe(self, room: str) -> None:
        """Ask no more for a room: nothing of it is delivered after this call. Unknown rooms are ignored."""

    @abstractmethod
    async def subscribed(self, room: str) -> None:
        """Wait until the broker has confirmed the subscription of a room.

        Returns at once where there is nothing to wait for: the broker is not connected (a ``gap`` follows once it is),
        the room is not subscribed, or ``stop`` was called.
        """

    @abstractmethod
    def publish(self, room: str, payload: bytes) -> None:
        """Queue a payload; never waits. The queue is bounded in payloads and bytes.

        What does not fit is dropped, counted in ``dropped`` and logged once for one interruption. The hubs that are
        subscribed to the room are told of the gap when the broker can be reached.
        """

    @abstractmethod
    async def flush(self) -> None:
        """Wait until what is queued now was taken by the broker or dropped: while the broker is away, that long."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether the connection stands and every subscription that stood before is made again."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many payloads given to ``publish`` were dropped here, or were on their way when a connection ended."""


def make_broker(url: str) -> Broker:
    """Make the broker of a URL: ``redis://``, ``rediss://`` (TLS), ``unix://`` (Redis), ``nats://``, ``tls://`` (NATS).

    Each begins the names of its channels or subjects with ``wirefast``; ``?prefix=`` in the URL takes another word, so
    that two applications can share a broker. Other options of a Redis URL go to its client.

    Raises:
        InvalidBrokerURL: The URL means no broker, or is malformed; a ValueError. It does not repeat the URL, which may
            hold a password.
        BrokerUnavailable: The client is not installed: ``wirefast[redis]``, ``wirefast[nats]``.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _BROKERS:
        known = ", ".join(f"{name}://" for name in _BROKERS)
        raise InvalidBrokerURL(f"the URL of a broker begins with one of {known}")
    module, name = _BROKERS[scheme]
    broker: Broker = getattr(import_module(module), name)(url)
    return broker


# Imported when they are used: each needs a client that an extra brings.
_BROKERS = {
    "redis": ("wirefast.rooms.brokers.redis", "RedisBroker"),
    "rediss": ("wirefast.rooms.brokers.redis", "RedisBroker"),
    "unix": ("wirefast.rooms.brokers.redis", "RedisBroker"),
    "nats": ("wirefast.rooms.brokers.nats", "NatsBroker"),
    "tls": ("wirefast.rooms.brokers.nats", "NatsBroker"),
    "local": ("wirefast.rooms.brokers.local", "LocalBroker"),
}


def take_prefix(url: str) -> tuple[str, str]:
    """Return a URL without its ``prefix``, and that: words of letters, digits, ``_`` and ``-`` joined by dots."""
    base, mark, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    prefixes = [value for name, value in options if name == "prefix"]
    prefix = prefixes[-1] if prefixes else "wirefast"
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", prefix):
        raise InvalidBrokerURL("the prefix of a broker's URL is letters, digits, '_', '-' and single dots between them")
    rest = urlencode([option for option in options if option[0] != "prefix"])
    return (f"{base}?{rest}" if rest else base), prefix
