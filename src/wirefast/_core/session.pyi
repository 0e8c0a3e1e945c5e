from collections.abc import Callable, Coroutine
from typing import Any, final

from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core.ledger import RouteLimits
from wirefast._core.plan_cache import PlanCache
from wirefast._core.socket_router import SocketRouter

@final
class WebSocketSession:
    websocket_class: type[Any]
    plans: PlanCache
    options: dict[str, Any] | None
    def __init__(
        self,
        *,
        websocket_class: type[Any],
        plans: PlanCache,
        invalid: Callable[[list[Any], Scope], Exception],
        options: dict[str, Any] | None = None,
    ) -> None: ...
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]: ...
    async def serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        outer: WebSocketPipeline | None,
        limits: RouteLimits | None = None,
    ) -> None: ...

@final
class LimitedSession:
    def __init__(self, session: WebSocketSession, limits: RouteLimits) -> None: ...
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]: ...

async def call_application(self: Any, scope: Scope, receive: Receive, send: Send) -> None: ...

@final
class WebSocketPipeline:
    router: SocketRouter
    def __init__(
        self,
        *,
        router: SocketRouter,
        tables: tuple[dict[Any, Any], dict[int, Any]],
        outer_websocket: type[Any],
        other_protocols: ASGIApp,
    ) -> None: ...
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]: ...
    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None: ...
    def handle(self, exc: Exception, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]: ...
