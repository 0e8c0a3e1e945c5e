from collections.abc import Collection
from typing import Any, final

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Scope

from wirefast._core.gate import Gate

@final
class Entry:
    def __init__(
        self, order: int, route: Any, methods: Collection[str] | None, names_route: bool, gate: Gate | None = None
    ) -> None: ...

@final
class Opaque:
    def __init__(self, order: int, route: BaseRoute, gate: Gate | None = None) -> None: ...

def update_scope(scope: Scope, child_scope: Scope) -> None: ...

@final
class RouteTable:
    def __init__(self, entries: list[Entry], opaque: list[Opaque]) -> None: ...
    def select_websocket(self, scope: Scope) -> ASGIApp | None: ...
    def select_http(self, scope: Scope) -> ASGIApp | None: ...
    def matches_http(self, scope: Scope) -> bool: ...
