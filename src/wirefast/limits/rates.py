"""A rate with a burst; also a dependency that limits the requests of each address. wirefast only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection

from wirefast._core.ledger import AddressRate, address_of, refusal
from wirefast.limits.counters import count_refusal

__all__ = ["Rate"]


@dataclass(frozen=True, eq=False)
class Rate:
    """A number in a number of seconds: a token bucket that holds ``burst`` and fills evenly.

    ``Depends(Rate(20, per=1.0))`` on an HTTP operation, a router or a socket limits the requests of each address to
    this rate; more are refused with 429 and ``Retry-After``. In a field of `Limits` the rate counts what the field
    says.

    Args:
        count: how many, at least 1.
        per: the seconds of the rate. Default: 1.
        burst: how many are allowed at once after a pause. Default: ``count``.

    Raises:
        ValueError: a number that is not positive and finite, or a burst below 1.
        TypeError: a value that is no number.
    """

    count: float
    per: float = 1.0
    burst: float | None = None
    _by_address: AddressRate = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("count", "per", "burst"):
            value = getattr(self, name)
            if value is None and name == "burst":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} of a Rate takes a number, not {value!r}")
            if not 0 < value < 10**15:
                raise ValueError(f"{name} of a Rate is a positive number, not {value!r}")
        if self.count < 1 or self.size < 1:
            raise ValueError("a Rate lets at least 1 through, in its time and at once")
        object.__setattr__(self, "_by_address", self.by_address())

    @property
    def size(self) -> float:
        """The size of the bucket."""
        return float(self.count if self.burst is None else self.burst)

    @property
    def bucket(self) -> tuple[float, float]:
        """The rate in a second, and the size of the bucket."""
        return self.count / self.per, self.size

    def by_address(self) -> AddressRate:
        """Make the counters of this rate, one for each address."""
        return AddressRate(self.count, self.per, self.size)

    def __deepcopy__(self, memo: dict[int, Any]) -> Rate:
        return self

    async def __call__(self, connection: HTTPConnection) -> None:
        """Count one request or handshake of an address.

        Raises:
            Refuse: 429; the address has used up the rate.
        """
        address = address_of(connection.scope.get("client"))
        if address is None:
            return
        wait = self._by_address.ask(address)
        if wait > 0:
            count_refusal("rate")
            raise refusal("rate", wait)
