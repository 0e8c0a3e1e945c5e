from collections.abc import Callable, Coroutine
from typing import Any

from starlette.types import Scope

from wirefast._core.meter import Allowance
from wirefast.exceptions import Refuse

MAX_ADDRESSES: int
MAX_ADDRESS: int
RETRY_AFTER: int

def count_around() -> None: ...
def address_of(client: tuple[str, int] | None) -> str | bytes | None: ...
def refusal(kind: str, retry_after: float = ...) -> Refuse: ...

class AddressRate:
    def __init__(self, count: float, per: float, burst: float) -> None: ...
    def ask(self, address: Any) -> float: ...
    def peek(self, address: Any) -> float: ...
    def __len__(self) -> int: ...

class Ledger:
    open: int
    by_ip: dict[Any, int]
    def __init__(
        self,
        *,
        dismiss: Callable[[Any, int, str], object],
        count: Callable[[str], object],
        connections: int = 0,
        per_ip: int = 0,
        per_user: int = 0,
        evicts_oldest: bool = False,
        handshakes: AddressRate | None = None,
    ) -> None: ...
    @property
    def by_user(self) -> dict[Any, list[Lease]]: ...
    def claim(self, lease: Lease, user: Any) -> None: ...
    def hold(self, lease: Lease, user: Any) -> None: ...
    def evict_held(self, lease: Lease) -> None: ...

class Lease:
    address: str | bytes | None
    def counts(self, ledger: Ledger) -> bool: ...
    def may_claim(self, ledger: Ledger) -> bool: ...
    def keep(self, ledger: Ledger, share: Any) -> None: ...
    def release(self) -> None: ...

class RouteLimits:
    ledgers: tuple[Ledger, ...]
    allowance: Allowance
    websocket_class: Any
    shared: Callable[[Lease, Any], Coroutine[Any, Any, None]] | None
    def __init__(
        self,
        ledgers: tuple[Ledger, ...],
        allowance: Allowance,
        websocket_class: Any,
        options: dict[str, Any] | None = None,
        users: tuple[tuple[Ledger, Callable[[Any], Any]], ...] = (),
        by_dependency: bool = True,
        shared: Callable[[Lease, Any], Coroutine[Any, Any, None]] | None = None,
    ) -> None: ...
    def admit(self, scope: Scope, websocket: Any = None) -> Lease: ...
