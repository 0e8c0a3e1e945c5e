from collections.abc import Collection
from typing import Any, final

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Scope

@final
class Entry:
    def __init__(self, order: int, route: Any, methods: Collection[str] | None, names_route: bool) -> None: ...

@final
class Opaque:
    def __init__(self, order: int, route: BaseRoute) -> None: ...

@final
class RouteTable:
    def __init__(self, entries: list[Entry], opaque: list[Opaque]) -> None: ...
    def select_websocket(self, scope: Scope) -> ASGIApp | None: ...
    def select_http(self, scope: Scope) -> ASGIApp | None: ...
    def matches_http(self, scope: Scope) -> bool: ...
