from collections.abc import Callable
from typing import Any

from wirefast._core.deadlines import Deadline

LIFETIME_JITTER: float
KINDS: tuple[str, ...]
REASONS: tuple[str, ...]
CODES: tuple[int, ...]

class Allowance:
    rooms: int
    def __init__(
        self,
        *,
        dismiss: Callable[[Any, int, str], object],
        count: Callable[[str], object],
        messages: tuple[float, float] | None = None,
        bytes: tuple[float, float] | None = None,
        message_bytes: int | None = None,
        first_message: float | None = None,
        idle: float | None = None,
        lifetime: float | None = None,
        rooms: int | None = None,
        in_flight: int | None = None,
        on_excess: str = "close",
    ) -> None: ...

class Meter(Deadline):
    evicted: bool
    rooms: int
    expires_at: float | None
    def __init__(self, websocket: Any, allowance: Allowance | None = None) -> None: ...
    def refused(self, verdict: int) -> tuple[int, str]: ...
    def expire(self, at: float | None, dismiss: Callable[[Any, int, str], object]) -> None: ...
    def warn(
        self, before: float, function: Callable[[Any], object], dismiss: Callable[[Any, int, str], object]
    ) -> None: ...
    def end(self) -> None: ...

class Expiry(Deadline):
    def __init__(self, websocket: Any, dismiss: Callable[[Any, int, str], object]) -> None: ...
