from collections.abc import Callable
from contextvars import ContextVar
from types import SimpleNamespace, TracebackType
from typing import Any, final

from wirefast._core.plan_cache import PlanCache
from wirefast._core.websocket import WebSocketCore

@final
class MessageScopes:
    def __init__(
        self,
        *,
        websocket: WebSocketCore,
        plans: PlanCache,
        values: list[Any],
        invalid: Callable[[list[Any], Any], Exception],
        current: ContextVar[dict[str, Any] | None],
    ) -> None: ...
    def enter(self) -> MessageScope: ...

@final
class MessageScope:
    async def __aenter__(self) -> SimpleNamespace: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, traceback: TracebackType | None
    ) -> bool: ...
