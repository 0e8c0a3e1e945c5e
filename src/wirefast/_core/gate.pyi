from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol, final

from starlette.types import ASGIApp, Receive, Scope, Send

REASON: str

class _Policy(Protocol):
    @property
    def is_explicit(self) -> bool: ...
    def judge(self, scope: Scope, sent: tuple[bytes, ...]) -> bool | Awaitable[bool]: ...
    def refused(self, scope: Scope, sent: tuple[bytes, ...]) -> None: ...

async def refuse(scope: Scope, receive: Receive, send: Send) -> None: ...

@final
class Judged:
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[None, None, None]: ...

@final
class Gate:
    policy: _Policy
    def __init__(
        self, policy: _Policy, hands_on: bool = False, limited: Callable[[ASGIApp], ASGIApp] | None = None
    ) -> None: ...
    def choose(self, scope: Scope, app: ASGIApp) -> ASGIApp: ...
