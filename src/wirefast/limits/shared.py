"""The counts of one `Limits` over all processes: handshakes by address, sockets by user. wirefast only.

The counts of this process go on beside those of Redis, and decide while Redis is away.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from wirefast._core.ledger import Lease, Ledger, refusal
from wirefast.limits.processes import Away, Share, SharedCounts

if TYPE_CHECKING:
    from wirefast.limits.limits import Limits  # which has one of these

__all__ = ["SharedLimits"]

#: Characters of the name of a Limits.
MAX_NAME = 100


class SharedLimits:
    """What one `Limits` counts with others.

    Args:
        hub: the hub that joins the processes.
        name: the name of these Limits in every process. No other Limits have it.
        limits: the Limits.
        user: a plain function that names the user of a WebSocket; None if a dependency does, or nothing.

    Raises:
        TypeError, ValueError, RuntimeError: the hub cannot be used (`SharedCounts.of`), or the name is taken or none.
    """

    def __init__(self, hub: Any, name: str, limits: Limits, *, user: Callable[[Any], Any] | None) -> None:
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable() or ":" in name:
            raise ValueError(f"name of Limits takes 1 to {MAX_NAME} printable characters without a colon, not {name!r}")
        self.counts = SharedCounts.of(hub)
        if name in self.counts.names:
            raise ValueError(f"two Limits of this hub have the name {name!r}: give each its own, Limits(name=...)")
        self.counts.names[name] = limits
        self.name = name
        self.ledger: Ledger = limits.ledger
        self._count = limits.count
        self._per_user = limits.per_user
        self._user = user
        self._evicts_oldest = limits.evict == "oldest"
        rate = limits.handshakes
        self._rate = None if rate is None else rate.by_address()
        if rate is not None:
            self._interval = rate.per / rate.count
            self._tolerance = self._interval * (rate.size - 1.0)

    async def admit(self, lease: Lease, websocket: Any) -> None:
        """Count a handshake, and its user if a plain function names that.

        Raises:
            Refuse: there is no room.
        """
        self.counts.check_started()
        address = lease.address
        if self._rate is not None and address is not None:
            wait = await self._take(address)
            if wait > 0:
                self._count("handshakes")
                raise refusal("handshakes", wait)
        if self._user is not None:
            await self.claim(lease, self._user(websocket))

    async def _take(self, address: Any) -> float:
        """Count a handshake of an address; 0, or the seconds after which the next one may come."""
        if self._rate is None:
            raise AssertionError
        # What this process alone has let in is too much for all of them: a flood here is no flood there.
        wait = self._rate.peek(address)
        if wait > 0 or not self.counts.up:
            return self._rate.ask(address)
        try:
            wait = await self.counts.take(self._key("address", address), self._interval, self._tolerance)
        except Away:
            return self._rate.ask(address)
        if wait <= 0:
            self._rate.ask(address)
        return wait

    async def claim(self, lease: Lease, user: Any) -> None:
        """Count a socket as one of a user's.

        Args:
            lease: the lease of the socket.
            user: a str or an int; a socket with the user None is not counted.

        Raises:
            Refuse: the user has as many sockets as allowed, and the oldest are not evicted.
            TypeError: a user of another type.
        """
        if self._per_user is None or user is None or not lease.may_claim(self.ledger):
            return
        if isinstance(user, bool) or not isinstance(user, (str, int)):
            raise TypeError(f"user of Limits(store=...) names a user by a str or an int, not {type(user).__name__}")
        share = self.counts.share(self._key("user", user))
        try:
            if not await self._claim_shared(share):
                self.ledger.claim(lease, user)
            else:
                self.ledger.hold(lease, user)
            lease.keep(self.ledger, share)
            share.ledger, share.lease = self.ledger, lease
        except BaseException:
            share.end()
            raise

    async def _claim_shared(self, share: Share) -> bool:
        """Have Redis count a socket; False if it is away, and this process is to decide."""
        if not self.counts.up or self._per_user is None:
            return False
        try:
            counted, evicted = await self.counts.claim(share, self._per_user, self._evicts_oldest)
        except Away:
            return False
        if share.evicted:
            counted = False  # a newer one has taken its place already
        if evicted or not counted:
            self._count("per_user")
        if not counted:
            raise refusal("per_user")
        return True

    def _key(self, kind: str, value: Any) -> str:
        """Return the key of an address or a user: a hash, so that names of people and their size stay out of Redis."""
        text = value if isinstance(value, bytes) else f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass")
        return self.counts.key(self.name, kind, blake2b(text, digest_size=16).hexdigest())
